"""With ``--api-key`` set, only whoever has the key gets in."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, serving

KEYS = ("s3cret", "schlüssel-鍵")


@pytest.fixture(scope="module", params=KEYS, ids=["ASCII", "not ASCII"])
def locked(request: pytest.FixtureRequest, tiny_pair: Pair) -> Iterator[tuple[str, httpx.Client]]:
    """A key and a client, without it, of the server that demands it."""
    key: str = request.param
    settings = ServerSettings(draft_length=2, api_key=key)
    with serving(open_engine(tiny_pair), settings) as server, server.client() as client:
        yield key, client


def bearing(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"Authorization", f"Bearer {key}".encode())]


def test_the_key_opens(locked: tuple[str, httpx.Client]) -> None:
    key, client = locked
    assert client.post(COMPLETIONS, json=chat(), headers=bearing(key)).status_code == 200
    assert client.get("/v1/models", headers=bearing(key)).status_code == 200


@pytest.mark.parametrize("wrong", ["s3cre", "s3crett", "schlüssel", "\u00ff\u00fe", "鍵"])
def test_no_other_key_does(locked: tuple[str, httpx.Client], wrong: str) -> None:
    _, client = locked
    response = client.post(COMPLETIONS, json=chat(), headers=bearing(wrong))
    assert response.status_code == 401
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")


def test_neither_does_the_key_without_its_scheme_nor_none(locked: tuple[str, httpx.Client]) -> None:
    key, client = locked
    assert client.get("/v1/models", headers=[(b"Authorization", key.encode())]).status_code == 401
    assert client.get("/v1/models").status_code == 401
    for path in ("/v1/nothing", "/metrics", "/slots", "/openapi.json", "/docs"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers=bearing(key)).status_code == (404 if "nothing" in path else 200), path


def test_health_needs_none(locked: tuple[str, httpx.Client]) -> None:
    assert locked[1].get("/health").status_code == 200


def test_the_key_is_demanded_before_a_body_is_read(locked: tuple[str, httpx.Client]) -> None:
    assert locked[1].post(COMPLETIONS, content=b"{").status_code == 401
