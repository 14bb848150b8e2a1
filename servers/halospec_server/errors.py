"""Errors as clients of OpenAI's interface expect them."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from halospec_server import schema

_log = logging.getLogger("halospec_server.errors")


class ApiError(Exception):
    """A request that is answered with an error in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None,
        code: str | None = None, headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.body = schema.ErrorBody(message=message, type=kind, param=param, code=code)
        self.headers = headers


def answer_errors_in_openai_shape(app: FastAPI) -> None:
    """Make every error response of the application an OpenAI error object."""

    @app.exception_handler(ApiError)
    async def refused(_request: Request, error: ApiError) -> JSONResponse:
        return error_response(error.status, error.body, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(400, _first_problem(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        message = f"{request.method} {request.url.path}: {error.detail}."
        body = schema.ErrorBody(message=message, type="invalid_request_error")
        return error_response(error.status_code, body, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def fault(_request: Request, error: Exception) -> JSONResponse:
        _log.error("a request failed", exc_info=error)
        return error_response(500, internal_error())


def _first_problem(error: RequestValidationError) -> schema.ErrorBody:
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return schema.ErrorBody(message="The body is not valid JSON.", type="invalid_request_error")
    where = ".".join(str(part) for part in problem["loc"] if _names_a_field(part))
    message = str(problem["msg"]).removeprefix("Value error, ")
    sentence = f"{where}: {message}." if where else f"{message}."
    return schema.ErrorBody(message=sentence, type="invalid_request_error", param=where or None)


def _names_a_field(part: int | str) -> bool:
    """Whether a part of a location is in the body, and not pydantic's name for one way of reading it."""
    return isinstance(part, int) or (part.isidentifier() and part not in ("body", "str"))


def internal_error() -> schema.ErrorBody:
    """Return what a client learns of a fault: nothing that the log should keep to itself."""
    return schema.ErrorBody(message="The server failed at this request; its log says why.", type="server_error")


def error_response(status: int, body: schema.ErrorBody, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return a response in OpenAI's error shape."""
    return JSONResponse({"error": body.model_dump()}, status_code=status, headers=headers)
