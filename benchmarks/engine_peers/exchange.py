"""One HTTP request whose response is read as bytes with their times, and understood after its end.

The client shares the machine with the server that it times. An HTTP library that parses while text arrives takes about
0.4 ms of every token, which two busy cores do not have to spare; reading bytes takes a tenth of that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import anyio
import h11


class ExchangeFault(Exception):
    """A response that is not to be had or not whole; the message is one sentence."""


@dataclass(frozen=True)
class Arrived:
    """Bytes, and when they came."""

    at_ns: int
    data: bytes


@dataclass(frozen=True)
class Response:
    """A response's status, and its body as it came."""

    sent_ns: int
    status: int
    body: Sequence[Arrived]

    @property
    def ended_ns(self) -> int:
        """When the last of it came."""
        return self.body[-1].at_ns if self.body else self.sent_ns


async def post(port: int, path: str, body: bytes) -> Response:
    """Send JSON to a server on the loopback interface, over a connection of its own, and read the whole response.

    Raises
    ------
    ExchangeFault
        If there is no server, or its response breaks off.
    """
    parser = h11.Connection(h11.CLIENT)
    head = parser.send(
        h11.Request(
            method="POST",
            target=path,
            headers=[
                ("Host", f"127.0.0.1:{port}"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ],
        )
    )
    parser.send(h11.Data(body))
    parser.send(h11.EndOfMessage())
    try:
        sent_ns = time.perf_counter_ns()
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send((head or b"") + body)
            pieces = [Arrived(time.perf_counter_ns(), data) async for data in stream]
    except (OSError, anyio.BrokenResourceError) as error:
        raise ExchangeFault(f"the connection to port {port} failed: {error or 'it broke'}") from error
    return _understood(parser, sent_ns, pieces)


def _understood(parser: h11.Connection, sent_ns: int, pieces: Sequence[Arrived]) -> Response:
    status = 0
    body: list[Arrived] = []
    try:
        for at_ns, event in _events(parser, pieces):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body.append(Arrived(at_ns, bytes(event.data)))
    except h11.RemoteProtocolError as error:
        raise ExchangeFault(f"the response broke off: {error}") from error
    return Response(sent_ns, status, body)


def _events(parser: h11.Connection, pieces: Sequence[Arrived]) -> Iterator[tuple[int, h11.Event]]:
    end = Arrived(pieces[-1].at_ns if pieces else 0, b"")
    for piece in (*pieces, end):
        parser.receive_data(piece.data)
        while isinstance(event := parser.next_event(), h11.Event):
            yield piece.at_ns, event
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
