"""Stand-ins for servers: well-behaved ones over httpx.MockTransport, a misbehaving one over a real socket or TLS."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Literal

import anyio
import anyio.abc
import httpx
import pytest
from anyio.streams.tls import TLSAttribute, TLSListener

from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, Completion, Message

type_of_stream = "text/event-stream"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def say_hello() -> ChatRequest:
    return ChatRequest(messages=(Message("user", "Say hello."),), max_tokens=3)


@pytest.fixture(scope="session")
def ticking_clock() -> Callable[[], Callable[[], int]]:
    """Make clocks that read 1000, 1010, 1020 … ns: times in a reply then tell which reading they are."""
    return lambda: itertools.count(1000, 10).__next__


@pytest.fixture(scope="session")
def sse() -> Callable[..., bytes]:
    """Write events as a stream; a string goes in as it is, anything else as JSON."""

    def write(*events: Any, newline: str = "\n") -> bytes:
        lines = (e if isinstance(e, str) else json.dumps(e, ensure_ascii=False) for e in events)
        return "".join(f"data: {line}{newline}{newline}" for line in lines).encode()

    return write


@pytest.fixture(scope="session")
def delta() -> Callable[..., dict[str, Any]]:
    """Make a chunk with one choice."""

    def make(content: Any = None, *, finish: Any = None, **more: Any) -> dict[str, Any]:
        inner = {**({"content": content} if content is not None else {}), **more}
        return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": inner, "finish_reason": finish}]}

    return make


@pytest.fixture(scope="session")
def usage() -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": 33, "completion_tokens": 3, "total_tokens": 36}}


@pytest.fixture(scope="session")
def hello(sse, delta, usage) -> bytes:
    """A complete, plain stream."""
    return sse(
        delta("", role="assistant"), delta("Hello"), delta("!"), delta(" I"), delta(finish="length"), usage, "[DONE]"
    )


class InPieces(httpx.AsyncByteStream):
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.fixture(scope="session")
def in_pieces() -> Callable[[Iterable[bytes]], httpx.AsyncByteStream]:
    """Make a body that arrives in the given pieces."""
    return InPieces


@pytest.fixture(scope="session")
def ask(say_hello, ticking_clock) -> Callable[..., Awaitable[Completion]]:
    """Ask a mock server that gives one fixed answer: a stream's body or a whole httpx.Response."""

    async def ask_once(
        answer: bytes | httpx.Response, *, request: ChatRequest = say_hello, **settings: Any
    ) -> Completion:
        if isinstance(answer, bytes):
            answer = httpx.Response(200, headers={"content-type": type_of_stream}, content=answer)
        transport = httpx.MockTransport(lambda _: answer)
        url = "http://127.0.0.1:8080/v1"
        async with ChatEndpoint(url, "smol", ticking_clock(), transport=transport, **settings) as endpoint:
            return await endpoint.complete(request, None)

    return ask_once


Step = bytes | float | Literal["hang", "reset", "keep"]


class MisbehavingServer:
    """Stand-in for a misbehaving server: reads a request, plays the next script (or the last one again), hangs up.

    A script is a list of steps: bytes to send, seconds to wait, "hang" (say nothing more), "reset" (drop the
    connection with a TCP reset), "keep" (do not hang up but read another request).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.scripts: list[Sequence[Step]] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.client_certificates: list[bytes | None] = []

    async def serve(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
                self.connections += 1
                self.client_certificates.append(stream.extra(TLSAttribute.peer_certificate_binary, None))
                script: Sequence[Step] = ["keep"]
                while script[-1] == "keep":
                    self.requests.append(await self._read_request(stream))
                    script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
                    for step in script:
                        await self._play(step, stream)

    async def _play(self, step: Step, stream: anyio.abc.ByteStream) -> None:
        if isinstance(step, bytes):
            await stream.send(step)
        elif isinstance(step, float):
            await anyio.sleep(step)
        elif step == "hang":
            await stream.receive()
        elif step == "reset":
            raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _read_request(self, stream: anyio.abc.ByteStream) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received and not received.startswith(b"\x16\x03"):  # a TLS greeting
            received += await stream.receive()
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += await stream.receive()
        return head + b"\r\n\r\n" + body


@pytest.fixture(scope="session")
def serve_misbehaving() -> Callable[..., AbstractAsyncContextManager[MisbehavingServer]]:
    """Open a misbehaving server on a free loopback port; with a context it speaks TLS."""

    @asynccontextmanager
    async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[MisbehavingServer]:
        sockets = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
        address = f"127.0.0.1:{sockets.extra(anyio.abc.SocketAttribute.local_port)}"
        server = MisbehavingServer(f"{'http' if tls is None else 'https'}://{address}")
        listener = sockets if tls is None else TLSListener(sockets, tls, standard_compatible=False)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, server.serve)
            yield server
            tasks.cancel_scope.cancel()

    return serving


@pytest.fixture
async def misbehaving_server(anyio_backend, serve_misbehaving) -> AsyncIterator[MisbehavingServer]:
    async with serve_misbehaving() as server:
        yield server


@pytest.fixture(scope="session")
def http() -> Callable[..., bytes]:
    """Write an HTTP/1.1 answer; with ``announced_bytes`` its head promises another length than its body has."""

    def write(
        body: bytes = b"",
        *,
        status: str = "200 OK",
        kind: str = type_of_stream,
        announced_bytes: int | None = None,
        headers: Sequence[str] = (),
    ) -> bytes:
        length = len(body) if announced_bytes is None else announced_bytes
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {length}", *headers]
        return "\r\n".join([*lines, "", ""]).encode() + body

    return write


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
