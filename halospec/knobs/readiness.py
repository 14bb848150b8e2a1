"""Whether a server is up, seen from outside."""

from __future__ import annotations

import anyio
import httpx

from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import tls_advice
from halospec.knobs.types import KnobError

_CONNECT_S = 2.0
_ANSWER_S = 5.0
_SIGN_OF_LIFE_S = 1.0


async def something_listens(url: str) -> bool:
    """Tell whether a connection to this address can be made, whoever answers there."""
    address = httpx.URL(url)
    with anyio.move_on_after(_CONNECT_S):
        try:
            stream = await anyio.connect_tcp(address.host, address.port or (443 if address.scheme == "https" else 80))
        except OSError:
            return False
        await stream.aclose()
        return True
    return False


async def is_ready(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether a server can take requests: by its health page, or where it has none, by its list of models.

    Raises
    ------
    KnobError
        If it will never be seen to, since no TLS connection can be made.
    """
    api = ServerApi(client, url)
    status = await _status(client, api.url_of("/health"))
    if status in (404, 405):
        status = await _status(client, api.url_of("/v1/models"))
    # A server that wants a key before it says how it is, is up.
    return status is not None and (200 <= status < 300 or status in (401, 403))


async def is_gone(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether no server is there any more; one that is too busy to answer is there.

    A connection alone proves nothing: the system may still take it for a process that is just ending.
    """
    page = ServerApi(client, url).url_of("/health")
    # A kept connection may be closed in the moment in which it is used again; then the second look takes a new one.
    return await _fails(client, page) and await _fails(client, page)


async def _fails(client: httpx.AsyncClient, page: str) -> bool:
    with anyio.move_on_after(_SIGN_OF_LIFE_S):
        try:
            async with client.stream("GET", page):
                return False
        except httpx.TransportError:
            return True
    return False


async def _status(client: httpx.AsyncClient, page: str) -> int | None:
    with anyio.move_on_after(_ANSWER_S):
        try:
            async with client.stream("GET", page) as response:
                return response.status_code
        except httpx.TransportError as fault:
            if advice := tls_advice(fault):
                raise KnobError(f"No TLS connection to {page} can be made; {advice}.") from fault
            return None  # not listening yet: it is loading its model
    return None
