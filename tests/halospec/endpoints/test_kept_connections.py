"""Requests over connections that the server has closed meanwhile, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from halospec.endpoints.kept_connections import answer_to

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Forgetful:
    """A stand-in for a server that keeps a connection and yet reads no second request on it.

    So does llama-server now and then: it hangs up right after a stream, while the next request is on its way.
    """

    def __init__(self, *, answers: int = 1) -> None:
        self.answers = answers
        self.requests = 0
        self.connections = 0

    async def serve(self, stream: SocketStream) -> None:
        self.connections += 1
        async with stream:
            for number in range(self.answers + 1):
                try:
                    await stream.receive()
                except anyio.EndOfStream:
                    return
                self.requests += 1
                if number < self.answers:
                    await stream.send(ANSWER)


@asynccontextmanager
async def running(server: Forgetful) -> AsyncIterator[str]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        tasks.cancel_scope.cancel()


async def ask(client: httpx.AsyncClient, url: str) -> bytes:
    async with answer_to(client, "GET", url) as response:
        return await response.aread()


async def test_a_request_lost_on_a_kept_connection_is_sent_again_on_another():
    server = Forgetful()
    async with running(server) as url, httpx.AsyncClient(trust_env=False) as client:
        assert [await ask(client, url) for _ in range(3)] == [b"ok"] * 3
    assert (server.connections, server.requests) == (3, 5)


async def test_several_kept_connections_may_all_turn_out_dead():
    server = Forgetful()
    async with running(server) as url, httpx.AsyncClient(trust_env=False) as client:
        async with anyio.create_task_group() as together:
            for _ in range(3):
                together.start_soon(ask, client, url)
        assert await ask(client, url) == b"ok"


async def test_a_request_lost_on_a_new_connection_is_not_sent_twice():
    server = Forgetful(answers=0)
    async with running(server) as url, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, url)
    assert server.requests == 1


async def test_a_transport_that_tells_nothing_of_its_connections_is_asked_once():
    asked = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.RemoteProtocolError("gone")

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, "http://127.0.0.1:1/")
    assert len(asked) == 1
