"""A loopback server that sends prepared bytes, piece by piece, whatever HTTP would say to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream

Script = Callable[[bytes], Sequence[bytes]]
"""From the bytes of a request to what is sent before the connection is closed."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncIterator[int]:
    """Serve connections until the block is left, and say on which port."""

    async def answer(stream: SocketStream) -> None:
        async with stream:
            request = await stream.receive()
            while not request.endswith(b"}"):
                request += await stream.receive()
            for piece in script(request):
                await stream.send(piece)
                await anyio.wait_all_tasks_blocked()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


def chunk(data: bytes) -> bytes:
    """Return a piece of a body in chunked transfer coding; an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
