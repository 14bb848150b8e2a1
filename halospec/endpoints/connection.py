"""The httpx client and the bodies that come through it, with the settings that matter to a measurement."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from halospec import __version__
from halospec.endpoints.tls import tls_context
from halospec.endpoints.types import EndpointError

MAX_REPLY_BYTES = 64 * 2**20

# Lemonade and uvicorn close a connection after 5 s of idling, and so does httpx by default: a request sent in that very
# moment fails through nobody's fault, so the client lets go first. No limit on connections: a queue inside the client
# would be measured as the server's.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3.0)


@dataclass(frozen=True)
class ConnectionSettings:
    """How a server is reached and who asks.

    Attributes
    ----------
    api_key
        Sent as a bearer token; never part of a message or a log.
    ca_bundle
        PEM file of certificates to trust instead of the usual authorities'.
    verify
        Whether the server's certificate is checked at all; if not, ``ca_bundle`` has no say.
    client_cert, client_key
        PEM files with which this client proves who it is; the key may be in the certificate's file.
    """

    api_key: str | None = field(default=None, repr=False)
    ca_bundle: Path | None = None
    verify: bool = True
    client_cert: Path | None = None
    client_key: Path | None = None


def open_client(
    url: str, connection: ConnectionSettings, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Return a client for one server, without time limits of its own: the caller limits whole attempts.

    TLS settings are looked at only where the address is one of https.

    Raises
    ------
    ValueError
        If the key cannot stand in an HTTP header, a certificate's file cannot be used, or the proxy settings or the
        certificates named in the environment cannot.
    """
    headers = {
        "User-Agent": f"halospec/{__version__}",
        # A compressed stream arrives in the compressor's rhythm, not in the model's.
        "Accept-Encoding": "identity",
    }
    key = connection.api_key
    if key:
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the API key holds characters that cannot be sent in an HTTP header")
        headers["Authorization"] = f"Bearer {key}"
    server = httpx.URL(url)
    tls = connection if server.scheme == "https" else ConnectionSettings()
    context = tls_context(
        verify=tls.verify, ca_bundle=tls.ca_bundle, client_cert=tls.client_cert, client_key=tls.client_key
    )
    try:
        return httpx.AsyncClient(
            headers=headers,
            transport=transport,
            limits=_LIMITS,
            timeout=httpx.Timeout(None),
            verify=context,
            trust_env=not is_loopback(server.host),
        )
    except (ImportError, ValueError, httpx.InvalidURL) as problem:
        raise ValueError(f"the proxy settings in the environment cannot be used ({problem})") from problem


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, where a proxy from the environment has no business."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def media_type(response: httpx.Response) -> str:
    """Return the content type without its parameters, in lower case; empty if there is none."""
    value: str = response.headers.get("content-type", "")
    return value.partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Tell whether a content type is JSON's."""
    return kind == "application/json" or kind.endswith("+json")


class CappedBody(httpx.AsyncByteStream):
    """A response's body with a limit on its size, kept for the debug log if asked.

    Raises
    ------
    EndpointError
        While iterating, once the body is larger than the limit.
    """

    def __init__(self, response: httpx.Response, *, limit_bytes: int = MAX_REPLY_BYTES, keep: bool = False) -> None:
        self._response = response
        self._limit_bytes = limit_bytes
        self._keep = keep
        self._pieces: list[bytes] = []

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        size_bytes = 0
        async for piece in self._response.aiter_bytes():
            size_bytes += len(piece)
            if size_bytes > self._limit_bytes:
                raise EndpointError(
                    f"The reply is larger than {self._limit_bytes} bytes, which no chat completion is.",
                    retryable=False,
                )
            if self._keep:
                self._pieces.append(piece)
            yield piece

    async def read(self) -> bytes:
        """Return the whole body."""
        return b"".join([piece async for piece in self])

    async def read_what_comes(self) -> bytes:
        """Return the body of an error, as far as it comes: its status counts, whatever happens to its words."""
        pieces = []
        with suppress(httpx.TransportError, EndpointError):
            async for piece in self:
                pieces.append(piece)  # noqa: PERF401  (a comprehension would lose what came before a failure)
        return b"".join(pieces)

    @property
    def kept(self) -> bytes:
        """What has come so far; empty unless ``keep`` was set."""
        return b"".join(self._pieces)
