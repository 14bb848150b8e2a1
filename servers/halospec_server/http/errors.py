"""Errors as clients of OpenAI's interface expect them."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from halospec_server.http import schema
from halospec_server.jobs.job import DeadlineExceeded, Failure, ShuttingDown

_NOT_FIELDS = ("body", "str", "int", "float", "bool")
"""Parts of a pydantic location that name no field: the body itself, and ways of reading a value."""


class ApiError(HTTPException):
    """A request that is answered with an error in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None,
        code: str | None = None, headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(status, message, headers)
        self.body = schema.ErrorBody(message=message, type=kind, param=param, code=code)

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"error": self.body.model_dump()}, self.status_code, self.headers)


def answer_errors_in_openai_shape(app: FastAPI) -> None:
    """Make every error response of the application an OpenAI error object."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _first_problem(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, ApiError):
            return error.response()
        message = f"{request.method} {request.url.path}: {error.detail}."
        return ApiError(error.status_code, message, headers=dict(error.headers or {})).response()


def _first_problem(error: RequestValidationError) -> ApiError:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"] if _names_a_field(part))
    message = str(problem["msg"]).removeprefix("Value error, ")
    return ApiError(400, f"{where}: {message}." if where else f"{message}.", param=where or None)


def _names_a_field(part: int | str) -> bool:
    return isinstance(part, int) or (part.isidentifier() and part not in _NOT_FIELDS)


def internal_error() -> ApiError:
    """Return what a client learns of a fault: nothing that the log should keep to itself."""
    return ApiError(500, "The server failed at this request; its log says why.", kind="server_error")


def api_error(failure: Failure, shutdown_grace_s: float) -> ApiError:
    """Return the answer to a request that gets no reply."""
    if isinstance(failure, DeadlineExceeded):
        return ApiError(
            504, "The deadline passed before the first token.", kind="timeout_error", code="deadline_exceeded"
        )
    if isinstance(failure, ShuttingDown):
        return ApiError(
            503, "The server is shutting down; try again when it is back.", kind="server_error",
            code="server_shutting_down", headers=retry_after(shutdown_grace_s),
        )  # fmt: skip
    return internal_error()


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that says when to try again."""
    return {"Retry-After": str(max(1, round(seconds)))}
