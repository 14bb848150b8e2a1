"""Chat completions over HTTP, as OpenAI's API has them and every server here speaks them, streamed or whole."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

import anyio
import httpx
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import to_json

from halospec.clock import Clock
from halospec.endpoints.connection import CappedBody, ConnectionSettings, is_json, media_type, open_client
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.failures import Failures, events, parse_error, shown
from halospec.endpoints.kept_connections import answer_to
from halospec.endpoints.reply import Reply
from halospec.endpoints.sse import EventStreamParser, ServerSentEvent
from halospec.endpoints.types import ChatRequest, Completion, EndpointError, Message, RequestChange
from halospec.endpoints.wire import ReplyPart

DEFAULT_TIMEOUT_S = 60.0
# After [DONE] the end of the body is a few bytes away, and reading it keeps the connection for the next request.
_END_OF_BODY_S = 0.2

_UNCHANGED = RequestChange()
_PLAIN = Dialect()
_DIRECT = ConnectionSettings()

_log = logging.getLogger("halospec.endpoints")
_debug_log = logging.getLogger("halospec.debug")


def _steer_nothing(_: int) -> RequestChange:
    return _UNCHANGED


class ChatEndpoint:
    """Asks one server for chat completions and notes when their content arrives; an async context manager.

    Parameters
    ----------
    base_url
        The API's base, such as ``http://127.0.0.1:8080/v1``.
    clock
        The run's clock, read once for every piece of bytes that arrives, before it is looked at.
    dialect
        What the server understands beyond OpenAI's fields.
    steer
        What a draft length changes in a request: a knob's ``request_change``.
    timeout_s
        Limit on a whole attempt, from the connection to the last byte.
    transport
        Another httpx transport: a mock, or a faster one.
    debug_json
        Log each full response, one line each, at level DEBUG on ``halospec.debug``; costs time inside the attempt.

    Raises
    ------
    ValueError
        If the key cannot stand in an HTTP header, or a certificate or the proxy settings in the environment cannot be
        used.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        clock: Clock,
        *,
        dialect: Dialect = _PLAIN,
        steer: Callable[[int], RequestChange] = _steer_nothing,
        connection: ConnectionSettings = _DIRECT,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
        debug_json: bool = False,
    ) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._clock = clock
        self._dialect = dialect
        self._steer = steer
        self._api_key = connection.api_key
        self._timeout_s = timeout_s
        self._debug_json = debug_json
        self._failures = Failures(self._url, connection.api_key)
        self._complained_of: set[str] = set()
        self._client = open_client(base_url, connection, transport)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, fault, trace)

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        """Send one request with what a draft length changes in it; raises like `complete_with`."""
        return await self.complete_with(request, _UNCHANGED if draft_length is None else self._steer(draft_length))

    async def complete_with(self, request: ChatRequest, change: RequestChange) -> Completion:
        """Send one request and return the whole reply.

        Raises
        ------
        EndpointError
            If no usable reply came, with the reason.
        """
        attempt = _Attempt(Reply(zero_drafts_left_out=self._dialect.zero_drafts_left_out))
        content = _content(self._model, request, self._dialect, change)
        try:
            with anyio.fail_after(self._timeout_s):
                await self._exchange(content, attempt)
        except TimeoutError as fault:
            raise self._failures.of_timeout(
                self._timeout_s, answered=attempt.answered, content_events=len(attempt.reply.event_ns)
            ) from fault
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise self._failures.of_transport(
                fault, answered=attempt.answered, content_events=len(attempt.reply.event_ns)
            ) from fault
        completion = attempt.reply.completion()
        self._complain_once_of(attempt.reply.malformed)
        return completion

    async def _exchange(self, content: bytes, attempt: _Attempt) -> None:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        async with answer_to(self._client, "POST", self._url, content=content, headers=headers) as response:
            attempt.answered = True
            body = CappedBody(response, keep=self._debug_json)
            try:
                await self._read(response, body, attempt.reply)
            finally:
                if self._debug_json:
                    self._log_response(response, body)

    async def _read(self, response: httpx.Response, body: CappedBody, reply: Reply) -> None:
        if not response.is_success:
            raise self._failures.of_status(response, await body.read_what_comes())
        kind = media_type(response)
        if kind == "text/event-stream":
            # Closed even when the reply is given up half-way, and not only when the garbage collector comes.
            async with aclosing(aiter(body)) as pieces:
                await self._read_stream(pieces, reply)
        elif is_json(kind):
            reply.take(self._parse(await body.read(), reply), received_ns=None)
        else:
            raise EndpointError(
                f"The server answered with {shown(kind, self._api_key) or 'no content type'} where an event stream or"
                " JSON was expected; check the URL.",
                retryable=False,
            )

    async def _read_stream(self, pieces: AsyncIterator[bytes], reply: Reply) -> None:
        parser = EventStreamParser()
        async for piece in pieces:
            received_ns = self._clock()
            for event in parser.feed(piece):
                if event.data.strip() == "[DONE]":
                    reply.ended_ns = received_ns
                    await _read_away(pieces)
                    return
                self._take(event, reply, received_ns)
        if reply.finish_reason is None:
            raise EndpointError(
                f"The stream ended early, after {events(len(reply.event_ns))}, without a finish_reason or [DONE].",
                retryable=True,
            )
        reply.ended_ns = self._clock()

    def _take(self, event: ServerSentEvent, reply: Reply, received_ns: int) -> None:
        if event.event == "error":
            raise self._failures.of_error_object(parse_error(event.data.encode()))
        if event.data.strip():
            reply.take(self._parse(event.data, reply), received_ns)

    def _parse(self, data: bytes | str, reply: Reply) -> ReplyPart:
        try:
            part = ReplyPart.model_validate_json(data, context=reply.malformed)
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_context=False, include_input=False)[0]
            said = self._failures.quoted(data if isinstance(data, str) else data.decode("utf-8", "replace"))
            if first["type"] == "json_invalid":
                raise EndpointError(f"The server sent something that is not JSON: {said}.", retryable=False) from None
            where = ".".join(str(step) for step in first["loc"]) or "the whole"
            raise EndpointError(
                f"The server sent JSON of the wrong shape ({shown(where)}: {shown(first['msg'])}): {said}.",
                retryable=False,
            ) from None
        if part.error:
            raise self._failures.of_error_object(part.error)
        return part

    def _complain_once_of(self, fields: set[str]) -> None:
        for name in sorted(fields - self._complained_of):
            _log.warning("The server's %r makes no sense and was left out; said once.", name)
        self._complained_of |= fields

    def _log_response(self, response: httpx.Response, body: CappedBody) -> None:
        text = body.kept.decode("utf-8", "replace")
        if self._api_key:
            text = text.replace(self._api_key, "***")
        _debug_log.debug("%s", json.dumps({"status": response.status_code, "body": text}))


class _Attempt:
    """How far one attempt has come, for the sentence if it goes no further."""

    def __init__(self, reply: Reply) -> None:
        self.answered = False
        self.reply = reply


class _StreamOptions(BaseModel):
    include_usage: bool = True


class _Body(BaseModel):
    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    stream: bool
    stream_options: _StreamOptions | None
    seed: int | None
    stop: tuple[str, ...] | None
    ignore_eos: bool | None
    cache_prompt: bool | None
    timings_per_token: bool | None


def _content(model: str, request: ChatRequest, dialect: Dialect, change: RequestChange) -> bytes:
    body = _Body(
        model=change.model or model,
        messages=request.messages,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        stream=request.stream,
        stream_options=_StreamOptions() if request.stream and dialect.stream_options else None,
        seed=request.seed,
        stop=request.stop or None,
        ignore_eos=(dialect.ignore_eos and request.ignore_eos) or None,
        cache_prompt=request.reuse_prompt if dialect.cache_prompt else None,
        timings_per_token=(dialect.timings_per_token and request.running_counts) or None,
    )
    fields = body.model_dump(mode="json", exclude_none=True)
    said = _merged(_merged(fields, dialect.extra_fields), change.fields)
    # These add to a request; they replace nothing that the dialect or the knob says.
    return to_json({**request.fields, **said})


def _merged(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the old fields with the new ones over them; where both hold an object, so does the result."""
    merged = dict(old)
    for name, value in new.items():
        there = merged.get(name)
        merged[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return merged


async def _read_away(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of the body; the reply is complete, so whatever goes wrong here is no concern of its request."""
    with anyio.move_on_after(_END_OF_BODY_S), suppress(httpx.TransportError, EndpointError):
        async for _ in pieces:
            pass
