"""The HTTP side: OpenAI's chat completions, with a draft length in and every round out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from halospec_server.decoding.engine import Engine
from halospec_server.http import schema
from halospec_server.http.answer import Answer
from halospec_server.http.chat_request import ChatCompletionRequest
from halospec_server.http.chat_template import ChatTemplate
from halospec_server.http.errors import ApiError, answer_errors_in_openai_shape, api_error, retry_after
from halospec_server.http.guards import BodyLimit, RequireKey
from halospec_server.http.intake import Intake
from halospec_server.http.json_route import JsonRoute
from halospec_server.http.metrics import Metrics
from halospec_server.http.replies import ReplyWriter
from halospec_server.http.request_log import RequestLog, arrival_ns
from halospec_server.http.settings import ServerSettings
from halospec_server.http.spelling import spelled
from halospec_server.jobs.job import Job, ShuttingDown
from halospec_server.jobs.worker import DecodeWorker, QueueFull

__all__ = ["Application", "ServerSettings", "create_app"]

_STATUSES = {
    400: "The request is malformed, out of range, too long, or asks for what is not offered.",
    401: "The API key is missing or wrong.",
    408: "The body stopped coming.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    429: "The queue is full; `Retry-After` says when to try again.",
    500: "A fault inside the server.",
    503: "The server is shutting down; `Retry-After` says when to try again.",
    504: "The deadline passed before the first token.",
}
_NO_SUCH_MODEL = 404
_RETRIED = (429, 503)
_EVENT = {
    "type": "object",
    "description": "One event: a `chat.completion.chunk`, at last `[DONE]`, or an error in its place.",
    "properties": {"data": {"type": "string"}},
    "required": ["data"],
}


class Application(FastAPI):
    """The ASGI application, and what whoever runs it needs to stop it in order."""

    def __init__(self, worker: DecodeWorker, settings: ServerSettings) -> None:
        super().__init__(title="HaloSpec server", version="1", lifespan=_worker_runs)
        self.worker = worker
        self.settings = settings
        self.router.route_class = JsonRoute

    def openapi(self) -> dict[str, Any]:
        """Describe the interface, without the status 422 that FastAPI assumes and this server never sends."""
        description = super().openapi()
        for operations in description["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            description["components"]["schemas"].pop(name, None)
        return description


@asynccontextmanager
async def _worker_runs(app: Application) -> AsyncIterator[None]:
    await app.worker.start()
    try:
        yield
    finally:
        await app.worker.stop()


def create_app(engine: Engine, template: ChatTemplate, card: schema.ModelCard, settings: ServerSettings) -> Application:
    """Build the application around a loaded engine; its lifespan starts and stops the decode thread."""
    model = engine.target.model
    worker = DecodeWorker(engine, settings.max_queue)
    intake = Intake(engine, template, settings)
    metrics = Metrics(worker, card.id)
    app = Application(worker, settings)
    answer_errors_in_openai_shape(app)
    app.add_middleware(BodyLimit, max_body_bytes=settings.max_body_bytes)
    if settings.api_key is not None:
        app.add_middleware(RequireKey, key=settings.api_key)
    app.add_middleware(RequestLog)

    @app.get("/health", responses={503: {"model": schema.Health, "description": "Not ready for work."}})
    async def health(response: Response) -> schema.Health:
        """Say whether requests are taken."""
        if not worker.draining and not worker.broken:
            return schema.Health(status="ok")
        response.status_code = 503
        return schema.Health(status="failed" if worker.broken else "shutting_down")

    @app.get("/v1/models", responses=_errors(401))
    async def models() -> schema.ModelList:
        """Say what is loaded."""
        return schema.ModelList(data=[card])

    @app.get("/v1/models/{name:path}", responses=_errors(401, _NO_SUCH_MODEL))
    async def one_model(name: str) -> schema.ModelCard:
        """Say what is loaded, if it goes by this name."""
        if name != card.id:
            sentence = f"There is no model {name!r} here; there is {card.id!r}."
            raise ApiError(_NO_SUCH_MODEL, sentence, code="model_not_found")
        return card

    @app.get("/slots", responses=_errors(401))
    async def slots() -> list[schema.Slot]:
        """Say what the engine's slots held a moment ago."""
        return [schema.Slot.of(state) for state in worker.slots]

    @app.get(
        "/metrics", response_class=Response, responses=_also(CONTENT_TYPE_LATEST, {"type": "string"}) | _errors(401)
    )
    async def prometheus() -> Response:
        """Give every counter in Prometheus' text format."""
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    @app.post(
        "/v1/chat/completions",
        response_model=schema.ChatCompletion,
        responses=_also("text/event-stream", _EVENT) | _errors(*_STATUSES),
    )
    async def chat_completions(body: ChatCompletionRequest, request: Request) -> Response:
        """Write the assistant's next turn."""
        arrived_ns = arrival_ns(request.scope)
        try:
            worker.require_place()
            job = Job(
                await intake.generations(body),
                tuple(body.stop or ()),
                model.piece,
                streamed=bool(body.stream),
                arrived_ns=arrived_ns,
                deadline_ns=_deadline_ns(body.deadline_ms, settings.deadline_s, arrived_ns),
            )
            worker.submit(job)
        except QueueFull as full:
            metrics.refused("queue_full")
            raise ApiError(
                429, f"{settings.max_queue} requests already wait; try again later.", kind="rate_limit_error",
                code="queue_full", headers=retry_after(full.retry_after_s),
            ) from None  # fmt: skip
        except ShuttingDown as shutting_down:
            metrics.refused("shutting_down")
            raise api_error(shutting_down, settings.shutdown_grace_s) from None
        return Answer(
            job,
            ReplyWriter(body.model or card.id, partial(spelled, model)),
            metrics,
            wants_usage=body.wants_usage,
            shutdown_grace_s=settings.shutdown_grace_s,
        )

    return app


def _deadline_ns(wanted_ms: int | None, default_s: float | None, arrived_ns: int) -> int | None:
    if wanted_ms is not None:
        return arrived_ns + wanted_ms * 1_000_000
    return None if default_s is None else arrived_ns + round(default_s * 1e9)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": schema.ErrorResponse,
            "description": "There is no such model." if status == _NO_SUCH_MODEL else _STATUSES[status],
            "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}} if status in _RETRIED else {},
        }
        for status in statuses
    }


def _also(media_type: str, content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": content}}}}
