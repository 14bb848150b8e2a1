"""What a request must pass before the application sees it: a size limit and, if set, an API key."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from halospec_server import schema
from halospec_server.errors import error_response


class BodyLimit:
    """Answers 413 to a body over the limit, by its declared length or, without one, as it arrives."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._sentence = f"the body is larger than the {max_body_bytes} bytes this server takes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body_bytes:
            body = schema.ErrorBody(message=f"{self._sentence}.", type="invalid_request_error", code="body_too_large")
            await error_response(413, body)(scope, receive, send)
            return
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise HTTPException(413, self._sentence)
            return message

        await self._app(scope, limited_receive, send)


class RequireKey:
    """Demands ``Authorization: Bearer KEY`` everywhere but at /health, which tells nothing."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http" and scope["path"] != "/health":
            given = Headers(scope=scope).get("authorization", "").encode("latin-1")  # the bytes as they came
            if not hmac.compare_digest(given, self._expected):
                body = schema.ErrorBody(
                    message="The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                    type="authentication_error",
                    code="invalid_api_key",
                )
                await error_response(401, body)(scope, receive, send)
                return
        await self._app(scope, receive, send)
