"""A server made of a few pages, for looking at how it is asked; every page that it lacks is a 404."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from halospec.endpoints.api import ServerApi
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.preflight import ServerFacts, check_server
from halospec.endpoints.wire import ListedModel, ModelList

ROOT_URL = "http://127.0.0.1:8080"
BASE_URL = f"{ROOT_URL}/v1"
DATA = Path(__file__).parent / "data"


class Site:
    """Answers over httpx.MockTransport.

    Parameters
    ----------
    pages
        By path, or by path and query where the query matters: a response, a list of responses that come in turn (the
        last one repeats), or what is sent as JSON.
    """

    def __init__(self, pages: Mapping[str, Any]) -> None:
        self.pages = dict(pages)
        self.requests: list[httpx.Request] = []
        self.pauses_s: list[float] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        given = self.pages.get(request.url.raw_path.decode(), self.pages.get(request.url.path, _NOT_FOUND))
        if isinstance(given, list) and given and isinstance(given[0], httpx.Response):
            given = given.pop(0) if len(given) > 1 else given[0]
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

    async def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)

    async def check(self, url: str | None = ROOT_URL, **settings: Any) -> ServerFacts:
        """Look at it as a run would, without waiting."""
        transport = httpx.MockTransport(self.handle)
        return await check_server(url, transport=transport, sleep=self.sleep, **settings)

    @asynccontextmanager
    async def api(self, api_key: str | None = None) -> AsyncIterator[ServerApi]:
        """Give the API that asks it."""
        async with open_client(
            BASE_URL, ConnectionSettings(api_key=api_key), httpx.MockTransport(self.handle)
        ) as client:
            yield ServerApi(client, BASE_URL, api_key=api_key)

    @property
    def models(self) -> tuple[ListedModel, ...]:
        """What it lists."""
        listed = self.pages["/v1/models"]
        text = listed.text if isinstance(listed, httpx.Response) else json.dumps(listed)
        return tuple(ModelList.model_validate_json(text).data)

    @property
    def asked(self) -> list[str]:
        """Path and query of all requests so far."""
        return [request.url.raw_path.decode() for request in self.requests]


def listing(*names: str, **more: Any) -> dict[str, Any]:
    """Return a model list."""
    return {"object": "list", "data": [{"id": name, **more} for name in names]}


def recorded(server: str, name: str) -> Any:
    """Return the body of a recorded reply: JSON, or the text of a page that is not."""
    text = (DATA / server / f"{name}.txt").read_text()
    if not text.startswith("# "):
        text = text.partition("\n\n")[2]
    text = text.partition("\n[time_total")[0]
    return text if text.startswith("# ") else httpx.Response(200, text=text).json()


_NOT_FOUND = httpx.Response(404, json={"error": {"message": "File Not Found", "code": 404}})

BUNDLED_LISTING: dict[str, Any] = {
    "object": "list",
    "data": [
        {
            "id": "smollm2-135m",
            "object": "model",
            "owned_by": "halospec",
            "meta": {
                "target": {
                    "name": "smollm2-135m",
                    "file": "SmolLM2-135M-Instruct.F32.gguf",
                    "sha256": "ab" * 32,
                    "size_bytes": 5_400_000_000,
                    "n_params": 134_515_008,
                },
                "draft": {"name": "twin", "file": "SmolLM2-135M-Instruct.Q4_1.gguf", "sha256": "cd" * 32},
                "drafter": "model",
                "ctx_size": 2048,
                "threads": 2,
                "draft_length": 4,
                "llama_cpp": "0.3.36",
            },
        }
    ],
}
"""What the bundled server lists (docs/api.md)."""
