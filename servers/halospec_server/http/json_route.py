"""Routes that read JSON strictly: what is not JSON, or not said to be, is refused and never guessed at."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from halospec_server.http.errors import ApiError


class JsonRequest(Request):
    """A request whose body is JSON by RFC 8259."""

    async def json(self) -> Any:
        """Return the body's value.

        Raises
        ------
        ApiError
            If there is none.
        """
        try:
            return json.loads((await self.body()).decode(), parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise ApiError(400, "The body is not valid JSON in UTF-8.") from None


class JsonRoute(APIRoute):
    """Gives its function a `JsonRequest`'s body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_json(request: Request) -> Response:
            if self.body_field is not None and not _says_json(request.headers.get("content-type", "")):
                raise ApiError(415, "Send the body as JSON, with the header 'Content-Type: application/json'.")
            return await answer(JsonRequest(request.scope, request.receive))

        return answer_json


def _says_json(content_type: str) -> bool:
    header = Message()
    header["content-type"] = content_type
    subtype = header.get_content_subtype()
    return header.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def _no_number(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which JSON does not know and Python's reader takes."""
    raise ValueError(constant)
