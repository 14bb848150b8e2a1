"""The HTTP side: OpenAI's chat completions, with a draft length in and every round out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from halospec_server import schema
from halospec_server.chat_template import ChatTemplate, TemplateRefusal
from halospec_server.completion import Report
from halospec_server.engine import Engine, Generation
from halospec_server.errors import ApiError, answer_errors_in_openai_shape, error_response, internal_error
from halospec_server.guards import BodyLimit, RequireKey
from halospec_server.sampling import Sampling
from halospec_server.worker import DecodeWorker, GenerationFailed, Job, QueueFull

_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class ServerSettings:
    """What the command line decides about the HTTP side."""

    draft_length: int
    api_key: str | None = None
    max_queue: int = 64
    max_body_bytes: int = 2 * 2**20


def create_app(engine: Engine, template: ChatTemplate, card: schema.ModelCard, settings: ServerSettings) -> FastAPI:
    """Build the application around a loaded engine; its lifespan starts and stops the decode thread."""
    worker = DecodeWorker(engine, settings.max_queue)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(worker.start)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(worker.stop)

    app = FastAPI(title="HaloSpec server", version="1", lifespan=lifespan)
    app.add_middleware(BodyLimit, max_body_bytes=settings.max_body_bytes)
    answer_errors_in_openai_shape(app)
    if settings.api_key is not None:
        app.add_middleware(RequireKey, key=settings.api_key)

    @app.get("/health")
    async def health() -> schema.Health:
        return schema.Health()

    @app.get("/v1/models")
    async def models() -> schema.ModelList:
        return schema.ModelList(data=[card])

    @app.post("/v1/chat/completions", response_model=schema.ChatCompletion)
    async def chat_completions(body: schema.ChatCompletionRequest, request: Request) -> Response:
        generation = _generation(body, engine, template, settings)
        job = Job(generation, body.stops)
        reply = _Reply(body.model or card.id)
        try:
            worker.submit(job)
        except QueueFull:
            raise ApiError(
                429, f"{settings.max_queue} requests already wait; try again later.", kind="rate_limit_error",
                code="queue_full", headers={"Retry-After": str(_RETRY_AFTER_S)},
            ) from None  # fmt: skip
        if body.stream:
            return StreamingResponse(reply.stream(job, body.wants_usage), media_type="text/event-stream")
        return await _whole_reply(reply, job, request)

    return app


def _generation(
    body: schema.ChatCompletionRequest, engine: Engine, template: ChatTemplate, settings: ServerSettings
) -> Generation:
    """Turn a request into what the engine is to do, or refuse it."""
    model = engine.target.model
    try:
        prompt_text = template.render([{"role": m.role, "content": m.text} for m in body.messages])
    except TemplateRefusal as refusal:
        raise ApiError(400, f"{refusal}.", param="messages") from refusal
    # A template that writes the bos token itself must not get a second one from the tokeniser.
    add_bos = model.adds_bos and not (template.bos and prompt_text.startswith(template.bos))
    prompt = tuple(model.tokenize(prompt_text, add_bos=add_bos))
    room = engine.target.n_ctx - len(prompt)
    if not prompt:
        raise ApiError(400, "The messages render to an empty prompt.", param="messages")
    if room < 1:
        raise ApiError(
            400, f"The prompt has {len(prompt)} tokens and the context holds {engine.target.n_ctx}.",
            param="messages", code="context_length_exceeded",
        )  # fmt: skip
    limit = body.token_limit
    return Generation(
        prompt=prompt,
        max_tokens=room if limit is None else min(limit, room),
        sampling=Sampling(
            temperature=1.0 if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
        ),
        draft_length=settings.draft_length if body.draft_length is None else body.draft_length,
        # numpy's seeds are not negative; OpenAI's may be.
        seed=None if body.seed is None else body.seed % 2**64,
        ignore_eos=bool(body.ignore_eos),
    )


class _Reply:
    """Writes one reply, whole or as a stream."""

    def __init__(self, model: str) -> None:
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model = model

    def whole(self, text: str, report: Report) -> schema.ChatCompletion:
        return schema.ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[schema.Choice(message=schema.AssistantMessage(content=text), finish_reason=report.finish_reason)],
            usage=report.usage,
            timings=report.timings,
            speculation=report.speculation,
        )

    async def stream(self, job: Job, wants_usage: bool) -> AsyncIterator[str]:
        """Yield server-sent events; a client that goes away cancels the job."""
        try:
            yield self._event(schema.Delta(role="assistant", content=""))
            async for event in job.events():
                if isinstance(event, str):
                    yield self._event(schema.Delta(content=event))
                    continue
                if wants_usage:
                    yield self._event(schema.Delta(), finish_reason=event.finish_reason)
                    yield self._event(None, usage=event.usage, report=event)
                else:
                    yield self._event(schema.Delta(), finish_reason=event.finish_reason, report=event)
            yield "data: [DONE]\n\n"
        except GenerationFailed:
            error = schema.ErrorResponse(error=internal_error())
            yield f"data: {error.model_dump_json()}\n\n"
        finally:
            job.cancel()

    def _event(
        self,
        delta: schema.Delta | None,
        *,
        finish_reason: schema.FinishReason | None = None,
        usage: schema.Usage | None = None,
        report: Report | None = None,
    ) -> str:
        choices = [] if delta is None else [schema.ChunkChoice(delta=delta, finish_reason=finish_reason)]
        chunk = schema.ChatCompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
            timings=report.timings if report else None,
            speculation=report.speculation if report else None,
        )
        data = chunk.model_dump(exclude_none=True)
        for choice in data["choices"]:
            choice.setdefault("finish_reason", None)
        return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def _whole_reply(reply: _Reply, job: Job, request: Request) -> Response:
    """Wait for the whole reply; a client that goes away meanwhile cancels the job."""
    parts: list[str] = []
    report: Report | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request, tasks.cancel_scope)
        try:
            async for event in job.events():
                if isinstance(event, str):
                    parts.append(event)
                else:
                    report = event
        except GenerationFailed:
            report = None
        finally:
            job.cancel()
            tasks.cancel_scope.cancel()
    if report is None:
        return error_response(500, internal_error())
    return JSONResponse(reply.whole("".join(parts), report).model_dump())


async def _cancel_when_gone(request: Request, waiting: anyio.CancelScope) -> None:
    """End the wait, not the job alone: one that is cancelled in the queue never reports."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()
