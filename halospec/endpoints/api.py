"""The rest of a server's HTTP surface: small JSON questions and commands, never a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import anyio
import httpx
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json

from halospec.endpoints.connection import CappedBody
from halospec.endpoints.failures import Failures
from halospec.endpoints.kept_connections import answer_to
from halospec.endpoints.types import EndpointError

MAX_ANSWER_BYTES = 8 * 2**20
_VERSION_PREFIXES = ("/api/v1", "/v1", "/api/v0", "/v0")

Query = Mapping[str, str]
Shape = TypeVar("Shape", bound=BaseModel)


class KeyRefused(EndpointError):
    """The server wants an API key, or another one than it was given."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason, retryable=False, status=status)


class ServerApi:
    """Asks one server. The client belongs to whoever opened it.

    Parameters
    ----------
    base_url
        The API's base, such as ``http://127.0.0.1:13305/api/v1``; a path without a leading slash is looked up below it,
        one with a leading slash below the server's root.
    root_url
        Where the server's own pages start; the base without its ``/v1`` or ``/api/v1`` if left out.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str,
        *,
        root_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.root_url = root_of(self.base_url) if root_url is None else root_url.rstrip("/")
        self._client = client
        self._api_key = api_key
        self._timeout_s = timeout_s

    async def get_text(self, path: str, query: Query | None = None) -> str:
        """Return a page as text.

        Raises
        ------
        EndpointError
            If it cannot be had, with the reason; `KeyRefused` if that is the key.
        """
        return (await self._ask("GET", path, query, None, self._timeout_s)).decode("utf-8", "replace")

    async def get_json(self, path: str, query: Query | None = None, *, timeout_s: float | None = None) -> JsonValue:
        """Return a page's JSON; raises EndpointError like `get_text`, and if it is not JSON."""
        return await self._json("GET", path, query, None, timeout_s or self._timeout_s)

    async def post_json(self, path: str, body: JsonValue, *, timeout_s: float | None = None) -> JsonValue:
        """Send a command and return what it says; raises like `get_json`."""
        return await self._json("POST", path, None, body, timeout_s or self._timeout_s)

    async def delete(self, path: str) -> JsonValue:
        """Send a DELETE and return what it says; raises like `get_json`."""
        return await self._json("DELETE", path, None, None, self._timeout_s)

    async def find_text(self, path: str, query: Query | None = None) -> str | None:
        """Return a page as text, or None where it cannot be had."""
        try:
            return await self.get_text(path, query)
        except EndpointError:
            return None

    async def find_json(self, path: str, query: Query | None = None) -> JsonValue:
        """Return a page's JSON, or None where there is no such page or no JSON on it."""
        try:
            return await self.get_json(path, query)
        except EndpointError:
            return None

    async def find(
        self, path: str, shape: type[Shape], query: Query | None = None, *, key_matters: bool = False
    ) -> Shape | None:
        """Return a page's JSON in the shape of a pydantic model; None where there is no page of this shape.

        Parameters
        ----------
        key_matters
            Say so if the page is there but the key is refused. A gateway may answer 401 for pages that do not exist.

        Raises
        ------
        KeyRefused
            With ``key_matters`` only.
        """
        try:
            return shape.model_validate(await self.get_json(path, query))
        except KeyRefused:
            if key_matters:
                raise
            return None
        except (EndpointError, ValidationError):
            return None

    def url_of(self, path: str) -> str:
        """Return the address that a path stands for."""
        return f"{self.root_url}{path}" if path.startswith("/") else f"{self.base_url}/{path}"

    async def _json(self, method: str, path: str, query: Query | None, body: JsonValue, timeout_s: float) -> JsonValue:
        content = await self._ask(method, path, query, body, timeout_s)
        try:
            answer: JsonValue = from_json(content)
        except ValueError:
            raise EndpointError(
                f"{method} {self.url_of(path)} answered with something that is not JSON.", retryable=False
            ) from None
        return answer

    async def _ask(self, method: str, path: str, query: Query | None, body: JsonValue, timeout_s: float) -> bytes:
        url = self.url_of(path)
        failures = Failures(url, self._api_key)
        answered = False
        try:
            with anyio.fail_after(timeout_s):
                async with answer_to(self._client, method, url, params=query, json=body) as response:
                    answered = True
                    capped = CappedBody(response, limit_bytes=MAX_ANSWER_BYTES)
                    if response.is_success:
                        return await capped.read()
                    failure = failures.of_status(response, await capped.read_what_comes())
        except TimeoutError as fault:
            raise failures.of_timeout(timeout_s, answered=answered, content_events=0) from fault
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise failures.of_transport(fault, answered=answered, content_events=0) from fault
        if response.status_code in (401, 403):
            raise KeyRefused(failure.reason, response.status_code)
        raise failure


def root_of(base_url: str) -> str:
    """Return where a server's own pages start: its API's base without ``/v1``, ``/api/v1`` and the like."""
    for prefix in _VERSION_PREFIXES:
        if base_url.endswith(prefix):
            return base_url.removesuffix(prefix)
    return base_url
