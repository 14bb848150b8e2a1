"""Sends one request of the soak as its kind demands, and judges the answer."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import httpx
from pydantic import BaseModel, ValidationError

from soak_checks import ERROR_IN_STREAM
from soak_requests import Call

PATIENCE_S = 120.0
"""For an answer; a server that takes longer hangs."""
_SLOW_BUFFER_BYTES = 4096
_PIECE_BYTES = 1000
_JSON = {"Content-Type": "application/json"}
BROKEN_OFF = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: soak\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: soak\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    b"POST /v1/chat/completions HTTP/1.1\r\nHost:",
)
NOT_HTTP = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n" * 3)


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    index: int
    message: _Message = _Message()
    delta: _Message = _Message()
    finish_reason: str | None = None


class _Usage(BaseModel):
    completion_tokens: int


class _Body(BaseModel):
    """A whole reply, or a chunk of a stream."""

    choices: list[_Choice]
    usage: _Usage | None = None


class _Error(BaseModel):
    message: str
    type: str


class _Refusal(BaseModel):
    error: _Error


@dataclass(frozen=True)
class Outcome:
    """How a request ended.

    Attributes
    ----------
    status
        None where there was no answer, or the client left before it came.
    closed
        The server closed the connection without an answer, as it may.
    fault
        What was wrong with the answer, if anything was.
    text
        Of the first choice.
    """

    kind: str
    status: int | None
    left: bool = False
    closed: bool = False
    fault: str | None = None
    text: str = ""


@dataclass
class _Reply:
    """What has come of a reply so far."""

    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, str] = field(default_factory=dict)
    events: int = 0
    done: bool = False

    def take(self, body: _Body) -> None:
        for choice in body.choices:
            text = (choice.message.content or "") + (choice.delta.content or "")
            self.texts[choice.index] = self.texts.get(choice.index, "") + text
            if choice.finish_reason is not None:
                self.finished[choice.index] = choice.finish_reason


class SoakClient:
    """The connections of all soaking clients to one server."""

    def __init__(self, url: str, fast: httpx.AsyncClient, slow: httpx.AsyncClient) -> None:
        self._url = url
        self._fast = fast
        self._slow = slow

    async def perform(self, call: Call) -> Outcome:
        """Send a request, read or leave as its kind demands, and judge what came."""
        reply, status, fault, closed = _Reply(), None, None, False
        with anyio.move_on_after(call.leave_after_s or PATIENCE_S) as scope:
            try:
                status, fault = await self._converse(call, reply)
            except (httpx.TransportError, ValidationError) as error:
                closed = call.may_be_closed and isinstance(error, httpx.NetworkError)
                fault = None if closed else f"{type(error).__name__}: {error}"
        if scope.cancelled_caught and call.leave_after_s is None:
            fault = f"no answer within {PATIENCE_S:g} s"
        left = (scope.cancelled_caught and fault is None) or (fault is None and _has_left(call, reply))
        return Outcome(call.kind, status, left, closed, fault, reply.texts.get(0, ""))

    async def ask(self, call: Call) -> bytes:
        """Send a request that has to be answered, and return the body of the answer."""
        response = await self._fast.post(call.path, content=call.content, headers=_JSON)
        return response.raise_for_status().content

    async def send_rubbish(self, rng: random.Random) -> Outcome:
        """Send what is no HTTP, or break off in the middle of a request."""
        broken = rng.random() < 0.5
        address = urlsplit(self._url)
        assert address.hostname is not None
        kind = "broken off" if broken else "malformed: not HTTP"
        try:
            async with await anyio.connect_tcp(address.hostname, address.port or 80) as stream:
                await stream.send(rng.choice(BROKEN_OFF if broken else NOT_HTTP))
                if broken:
                    await anyio.sleep(rng.choice((0.0, 0.05)))
                    return Outcome(kind, None, left=True)
                with anyio.fail_after(PATIENCE_S):
                    head = await stream.receive()
        except anyio.EndOfStream:
            return Outcome(kind, None, left=True)
        except (OSError, TimeoutError) as error:
            return Outcome(kind, None, fault=f"{type(error).__name__}: {error}")
        status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else None
        return Outcome(kind, status, fault=None if status == 400 else f"{head[:40]!r} instead of a 400")

    async def _converse(self, call: Call, reply: _Reply) -> tuple[int, str | None]:
        client = self._slow if call.pause_s else self._fast
        content = _in_pieces(call.content) if call.chunked else call.content
        headers = _JSON if call.method in ("POST", "PUT") else {}
        async with client.stream(call.method, call.path, content=content, headers=headers) as response:
            if response.status_code != 200:
                return response.status_code, _fault_of_refusal(call, response, await response.aread())
            if call.method == "GET":
                await response.aread()
            elif call.stream:
                fault = await _read_stream(call, response, reply)
                return 200, fault or _fault_of_reply(call, reply)
            elif 200 in call.statuses:
                body = _Body.model_validate_json(await response.aread())
                reply.take(body)
                reply.done = True
                return 200, _fault_of_usage(call, body.usage) or _fault_of_reply(call, reply)
        return 200, None if 200 in call.statuses else f"200 instead of {_either(call)}"


@asynccontextmanager
async def connected(url: str, clients: int) -> AsyncIterator[SoakClient]:
    """Open what a number of clients need, and close every connection in the end."""
    limits = httpx.Limits(max_connections=2 * clients, max_keepalive_connections=clients)
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER_BYTES)]
    slow_transport = httpx.AsyncHTTPTransport(limits=limits, socket_options=small)
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=None, limits=limits) as fast,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=None, transport=slow_transport) as slow,
    ):
        yield SoakClient(url, fast, slow)


async def _read_stream(call: Call, response: httpx.Response, reply: _Reply) -> str | None:
    """Read events until the end, or until the client leaves; return what was wrong with them."""
    async for line in response.aiter_lines():
        if not line.startswith("data: "):
            continue
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            reply.done = True
            continue
        if data.startswith('{"error"'):
            return f"{ERROR_IN_STREAM}: {data}"
        body = _Body.model_validate_json(data)
        reply.take(body)
        reply.events += 1
        if fault := _fault_of_usage(call, body.usage):
            return fault
        if reply.events == call.leave_after_events:
            return None
        await anyio.sleep(call.pause_s)
    return None


def _has_left(call: Call, reply: _Reply) -> bool:
    return call.leave_after_events is not None and not reply.done and reply.events == call.leave_after_events


def _fault_of_reply(call: Call, reply: _Reply) -> str | None:
    """Return what is wrong with a reply that was read to its end."""
    if _has_left(call, reply):
        return None
    if not reply.done:
        return "the stream ended without [DONE]"
    if sorted(reply.finished) != list(range(call.choices)):
        return f"choices {sorted(reply.finished)} ended instead of {call.choices}"
    if odd := set(reply.finished.values()) - {"stop", "length"}:
        return f"ended for {', '.join(sorted(odd))}"
    for text in reply.texts.values():
        for stop in call.stops:
            if stop in text:
                return f"the stop string {stop!r} stands in {text!r}"
    return None


def _fault_of_usage(call: Call, usage: _Usage | None) -> str | None:
    most = call.choices * call.max_tokens
    if usage is not None and usage.completion_tokens > most:
        return f"{usage.completion_tokens} tokens were written where {most} were asked for at most"
    return None


def _fault_of_refusal(call: Call, response: httpx.Response, content: bytes) -> str | None:
    """Return what is wrong with an answer other than 200."""
    try:
        _Refusal.model_validate_json(content)
    except ValidationError:
        return f"{response.status_code} without an error object: {content[:80]!r}"
    if response.status_code == 429 and 200 in call.statuses:
        waits = response.headers.get("Retry-After", "")
        return None if waits.isdigit() else f"429 with Retry-After {waits!r}"
    if response.status_code not in call.statuses:
        return f"{response.status_code} instead of {_either(call)}: {content[:200]!r}"
    return None


def _either(call: Call) -> str:
    return " or ".join(map(str, sorted(call.statuses)))


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]
