"""What a server says of itself, for the manifest: which model with which arguments, on which machine."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from pydantic import JsonValue

from halospec.endpoints.api import ServerApi
from halospec.knobs.arguments import secrets_in

MOST_BYTES = 64 * 1024
"""A longer page is left out: a manifest is to be read."""

_PAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Its health has the very command line of the llama-server behind it.
        "lemonade": ("health", "system-info"),
        "llama_server": ("/props", "/slots"),
        "openai": ("/version",),
    }
)


async def account_of(kind: str, api: ServerApi, api_key: str | None = None) -> dict[str, JsonValue]:
    """Return the pages on which a server of this kind describes itself, by path; those it does not have are left out.

    Keys and tokens in command lines are masked, wherever on the page they stand, and so is the key that we sent.
    """
    account = {}
    for path in _PAGES.get(kind, ()):
        page = await api.find_json(path)
        if page is not None and len(json.dumps(page)) <= MOST_BYTES:
            secrets = {*_secrets_in(page), *([api_key] if api_key else [])}
            account[path] = _masked(page, secrets)
    return account


def _secrets_in(value: JsonValue) -> Iterator[str]:
    """Yield what stands behind a flag such as ``--api-key``, in a list of words or in one text."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _secrets_in(inner)
    elif isinstance(value, list):
        yield from secrets_in([word for word in value if isinstance(word, str)])
        for inner in value:
            yield from _secrets_in(inner)
    elif isinstance(value, str):
        yield from secrets_in(value.split())


def _masked(value: JsonValue, secrets: Collection[str]) -> JsonValue:
    if isinstance(value, dict):
        return {name: _masked(inner, secrets) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, secrets) for inner in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
    return value
