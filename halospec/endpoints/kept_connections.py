"""Asking over a connection that was kept, when the server may have closed it meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

_LOST = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@asynccontextmanager
async def answer_to(client: httpx.AsyncClient, method: str, url: str, **request: Any) -> AsyncIterator[httpx.Response]:
    """Send a request and yield the response, its body still to be read.

    A server that closes idle connections, or every one after so many requests, or was started anew, has hung up on
    connections that the client still holds for good. A request that goes out on one of those is lost through nobody's
    fault, and is sent again over another. Over a new connection nothing is sent twice.

    Raises
    ------
    httpx.HTTPError
        If no response comes.
    """
    response = await _answer(client, method, url, request)
    try:
        yield response
    finally:
        await response.aclose()


async def _answer(client: httpx.AsyncClient, method: str, url: str, request: dict[str, Any]) -> httpx.Response:
    while True:
        trace = _Trace()
        try:
            return await client.send(
                client.build_request(method, url, **request, extensions={"trace": trace}), stream=True
            )
        except _LOST:
            # Each one that turns out to be dead leaves the pool, so that this comes to an end.
            if not trace.connection_was_kept:
                raise


class _Trace:
    """Notes from httpcore's events whether a request went out on a connection that was there already."""

    def __init__(self) -> None:
        self._connected = False
        self._sent = False

    @property
    def connection_was_kept(self) -> bool:
        return self._sent and not self._connected

    async def __call__(self, event: str, _: object) -> None:
        self._connected = self._connected or event == "connection.connect_tcp.started"
        self._sent = self._sent or event.endswith(".send_request_headers.started")
