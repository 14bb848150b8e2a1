"""A server with OpenAI's chat completions: llama-server, Lemonade, the bundled server, vLLM and others."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

import anyio
import httpx
from httpx_sse import EventSource
from pydantic import BaseModel, ValidationError

from halospec.clock import Clock
from halospec.endpoints.connection import CappedBody, is_json, media_type, open_client
from halospec.endpoints.failures import Failures, events, parse_error, shown
from halospec.endpoints.reply import Reply
from halospec.endpoints.types import ChatRequest, Completion, EndpointError, Message
from halospec.endpoints.wire import ReplyPart

DEFAULT_TIMEOUT_S = 60.0
# After [DONE] the end of the body is a few bytes away, and reading it keeps the connection for the next request.
_END_OF_BODY_S = 0.2

_log = logging.getLogger("halospec.endpoints")
_debug_log = logging.getLogger("halospec.debug")


class _StreamOptions(BaseModel):
    include_usage: bool = True


class _Body(BaseModel):
    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    stream: bool = True
    stream_options: _StreamOptions = _StreamOptions()
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    ignore_eos: bool | None = None
    draft_length: int | None = None
    # Prompts come again in every mode: a server that still had them in its cache would favour the later modes.
    cache_prompt: bool = False


class OpenAIEndpoint:
    """Streams chat completions and notes when their content arrives; an async context manager.

    Parameters
    ----------
    base_url
        The API's base, such as ``http://127.0.0.1:8080/v1``.
    clock
        The run's clock, read once for every event, before it is parsed.
    timeout_s
        Limit on a whole attempt, from the connection to the last byte.
    transport
        Another httpx transport: a mock, or a faster one.
    debug_json
        Log each full response, one line each, at level DEBUG on ``halospec.debug``; costs time inside the attempt.

    Raises
    ------
    ValueError
        If the key cannot stand in an HTTP header, or the proxy settings in the environment cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        clock: Clock,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
        debug_json: bool = False,
    ) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model = model
        self._clock = clock
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._debug_json = debug_json
        self._failures = Failures(self._url, api_key)
        self._complained_of: set[str] = set()
        self._client = open_client(base_url, api_key, transport)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, fault, trace)

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        """Send one request and return the whole reply.

        Raises
        ------
        EndpointError
            If no usable reply came, with the reason.
        """
        attempt = _Attempt()
        body = self._body(request, draft_length)
        try:
            with anyio.fail_after(self._timeout_s):
                await self._exchange(body, attempt)
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

    def _body(self, request: ChatRequest, draft_length: int | None) -> bytes:
        body = _Body(
            model=self._model,
            messages=request.messages,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            stop=request.stop or None,
            ignore_eos=request.ignore_eos or None,
            draft_length=draft_length,
        )
        return body.model_dump_json(exclude_none=True).encode()

    async def _exchange(self, content: bytes, attempt: _Attempt) -> None:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        async with self._client.stream("POST", self._url, content=content, headers=headers) as response:
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
            await self._read_stream(body, reply)
        elif is_json(kind):
            reply.take(self._parse(await body.read(), reply), received_ns=None)
        else:
            raise EndpointError(
                f"The server answered with {shown(kind) or 'no content type'} where an event stream or JSON was"
                " expected; check the URL.",
                retryable=False,
            )

    async def _read_stream(self, body: CappedBody, reply: Reply) -> None:
        # A response of our own around the body: EventSource then reads through the limit, and as UTF-8 as SSE demands.
        source = EventSource(httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=body))
        async with aclosing(source.aiter_sse()) as stream:
            async for event in stream:
                received_ns = self._clock()
                if event.data.strip() == "[DONE]":
                    reply.ended_ns = received_ns
                    break
                if event.event == "error":
                    raise self._failures.of_error_object(parse_error(event.data.encode()))
                if event.data.strip():
                    reply.take(self._parse(event.data.encode(), reply), received_ns)
            else:
                if reply.finish_reason is None:
                    raise EndpointError(
                        f"The stream ended early, after {events(len(reply.event_ns))}, without a finish_reason"
                        " or [DONE].",
                        retryable=True,
                    )
                reply.ended_ns = self._clock()
                return
            # The reply is complete: whatever goes wrong from here on is no concern of this request.
            with anyio.move_on_after(_END_OF_BODY_S), suppress(httpx.TransportError, EndpointError):
                async for _ in stream:
                    pass

    def _parse(self, data: bytes, reply: Reply) -> ReplyPart:
        try:
            part = ReplyPart.model_validate_json(data, context=reply.malformed)
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_context=False, include_input=False)[0]
            said = self._failures.quoted(data.decode("utf-8", "replace"))
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

    def __init__(self) -> None:
        self.answered = False
        self.reply = Reply()
