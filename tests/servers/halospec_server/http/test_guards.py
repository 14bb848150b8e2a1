from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message

from halospec_server.http.errors import answer_errors_in_openai_shape
from halospec_server.http.guards import BodyLimit, RequireKey


def application() -> FastAPI:
    app = FastAPI()
    answer_errors_in_openai_shape(app)

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    return app


async def statuses(app: ASGIApp, parts: Sequence[bytes | None]) -> list[int]:
    """Send a body in parts, the last of which is followed by nothing if it is None, and return the statuses sent."""
    sent: list[int] = []
    pending = list(parts)

    async def receive() -> Message:
        if pending[0] is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
        "root_path": "", "scheme": "http", "server": ("x", 80), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def limited(max_body_bytes: int) -> FastAPI:
    app = application()
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes, timeout_s=0.01)
    return app


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"x" * 10], 200),
        ([b"x" * 5, b"x" * 5], 200),
        ([b"x" * 11], 413),
        ([b"x" * 5, b"x" * 6], 413),
        ([b"x" * 5, None], 408),
        ([None], 408),
    ],
)
async def test_a_body_may_be_neither_too_long_nor_too_slow(parts: list[bytes | None], status: int) -> None:
    assert await statuses(limited(10), parts) == [status]


@pytest.mark.parametrize(
    ("header", "opens"),
    [
        ("Bearer key", True),
        ("bearer key", True),
        ("Bearer KEY", False),
        ("Bearer  key", False),
        ("Bearer key ", False),
        ("Basic key", False),
        ("key", False),
        ("Bearer", False),
        (None, False),
    ],
)
async def test_a_key_opens_in_its_scheme_alone(header: str | None, opens: bool) -> None:
    app = application()
    app.add_middleware(RequireKey, key="key")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        response = await client.post("/", headers={} if header is None else {"Authorization": header})
    assert (response.status_code == 200) == opens
    if not opens:
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
