"""How `benchmarks/soak_client.py` judges answers: each fault that a soak is to find has to be called one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

import soak_client as program
import soak_requests as requests

REFUSAL = {"error": {"message": "No.", "type": "invalid_request_error"}}


def call(**asked: Any) -> Any:
    return requests.Call("test", b"{}", **asked)


def whole(*texts: str, reason: str = "stop", tokens: int = 3) -> dict[str, Any]:
    choices = [{"index": i, "message": {"content": text}, "finish_reason": reason} for i, text in enumerate(texts)]
    return {"choices": choices, "usage": {"completion_tokens": tokens}}


def events(*chunks: dict[str, Any] | str) -> bytes:
    data = [chunk if isinstance(chunk, str) else json.dumps(chunk, separators=(",", ":")) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in data).encode()


def delta(text: str | None = None, *, index: int = 0, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]}


@asynccontextmanager
async def answering(response: httpx.Response | Exception) -> AsyncIterator[Any]:
    def answer(_request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    async with httpx.AsyncClient(base_url="http://soaked", transport=httpx.MockTransport(answer)) as client:
        yield program.SoakClient("http://soaked", client, client)


async def outcome(asked: Any, response: httpx.Response | Exception) -> Any:
    async with answering(response) as client:
        return await client.perform(asked)


async def test_a_right_reply_has_no_fault() -> None:
    found = await outcome(call(choices=2, max_tokens=5), httpx.Response(200, json=whole("one", "two", tokens=10)))
    assert (found.status, found.fault, found.left, found.text) == (200, None, False, "one")


@pytest.mark.parametrize(
    ("asked", "reply", "said"),
    [
        ({"choices": 2}, whole("one"), "choices [0] ended instead of 2"),
        ({"stops": ("ne",)}, whole("one"), "the stop string 'ne'"),
        ({}, whole("one", reason="weariness"), "ended for weariness"),
        ({"max_tokens": 2}, whole("one", tokens=3), "3 tokens were written where 2"),
        ({}, {"choices": "none"}, "ValidationError"),
        ({"statuses": frozenset({400})}, whole("one"), "200 instead of 400"),
    ],
)
async def test_a_wrong_reply_is_called_so(asked: dict[str, Any], reply: dict[str, Any], said: str) -> None:
    found = await outcome(call(**asked), httpx.Response(200, json=reply))
    assert said in found.fault


async def test_a_stream_is_put_together_and_judged_whole() -> None:
    content = events(delta("on"), delta("e"), delta(reason="stop"), "[DONE]")
    found = await outcome(call(stream=True), httpx.Response(200, content=content))
    assert (found.fault, found.text) == (None, "one")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (events(delta("one"), delta(reason="stop")), "without [DONE]"),
        (events(delta("one"), "[DONE]"), "choices [] ended instead of 1"),
        (events(delta("st"), delta("op"), delta(reason="stop"), "[DONE]"), "the stop string 'stop'"),
        (events(delta("one"), {"error": {"message": "No."}}), program.ERROR_IN_STREAM),
    ],
)
async def test_a_wrong_stream_is_called_so(content: bytes, said: str) -> None:
    found = await outcome(call(stream=True, stops=("stop",)), httpx.Response(200, content=content))
    assert said in found.fault


async def test_who_leaves_is_owed_no_end() -> None:
    content = events(delta("one"), delta("two"), delta("three"))
    found = await outcome(call(stream=True, leave_after_events=2), httpx.Response(200, content=content))
    assert (found.left, found.fault, found.text) == (True, None, "onetwo")


@pytest.mark.parametrize(
    ("status", "headers", "body", "fault"),
    [
        (400, {}, REFUSAL, None),
        (422, {}, REFUSAL, "422 instead of 400"),
        (500, {}, REFUSAL, "500 instead of 400"),
        (400, {}, {"detail": "No."}, "400 without an error object"),
    ],
)
async def test_a_refusal_has_its_status_and_shape(
    status: int, headers: dict[str, str], body: dict[str, Any], fault: str | None
) -> None:
    found = await outcome(call(statuses=frozenset({400})), httpx.Response(status, headers=headers, json=body))
    assert found.status == status
    assert (found.fault is None) if fault is None else (fault in found.fault)


async def test_a_full_queue_has_to_say_when_to_come_back() -> None:
    told = await outcome(call(), httpx.Response(429, headers={"Retry-After": "2"}, json=REFUSAL))
    assert told.fault is None
    untold = await outcome(call(), httpx.Response(429, json=REFUSAL))
    assert untold.fault == "429 with Retry-After ''"


async def test_a_lost_connection_is_a_fault_but_where_the_server_may_close_it() -> None:
    lost = httpx.ReadError("reset")
    assert (await outcome(call(), lost)).fault == "ReadError: reset"
    closed = await outcome(call(statuses=frozenset({413}), may_be_closed=True), lost)
    assert (closed.fault, closed.closed) == (None, True)
