"""What a request must pass before the application sees it: limits of size and time, and an API key if one is set."""

from __future__ import annotations

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from halospec_server.http.errors import ApiError

BODY_TIMEOUT_S = 60.0


class BodyLimit:
    """Answers 413 to a body over the limit, by its declared length or, without one, as it arrives; 408 if it stalls.

    Parameters
    ----------
    timeout_s
        How long a part of a body may take to come.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._max_body_bytes:
            await self._too_large().response()(scope, receive, send)
            return
        received, complete = 0, False

        async def limited_receive() -> Message:
            nonlocal received, complete
            if complete:
                # Who still listens waits for the client to leave, and may wait long.
                return await receive()
            try:
                async with asyncio.timeout(self._timeout_s):
                    message = await receive()
            except TimeoutError:
                raise ApiError(
                    408, f"No more of the body came for {self._timeout_s:g} s.", headers={"Connection": "close"}
                ) from None
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        await self._app(scope, limited_receive, send)

    def _too_large(self) -> ApiError:
        sentence = f"The body is larger than the {self._max_body_bytes} bytes this server takes."
        # The rest of it is not read, so nothing else can come over this connection.
        return ApiError(413, sentence, code="body_too_large", headers={"Connection": "close"})


class RequireKey:
    """Demands ``Authorization: Bearer KEY`` everywhere but at /health, which tells nothing."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http" and scope["path"] != "/health" and not self._opens(Headers(scope=scope)):
            refusal = ApiError(
                401, "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                kind="authentication_error", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _opens(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        # As latin-1 they are the bytes that came.
        return hmac.compare_digest(key.encode("latin-1"), self._expected) and scheme.lower() == "bearer"
