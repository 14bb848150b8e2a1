"""Clients that stream chat completions, and what their replies were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import anyio
from pydantic import BaseModel, JsonValue, ValidationError

from engine_peers.exchange import Arrived, ExchangeFault, Response, post
from engine_peers.records import Reply

Body = dict[str, JsonValue]
CHAT_COMPLETIONS = "/v1/chat/completions"
OK = 200


class StreamFault(Exception):
    """A reply that cannot be measured; the message is one sentence."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    prompt_id: str
    body: Body


@dataclass(frozen=True)
class Together:
    """Replies to requests that were made together; ``outside_decode`` and ``wall_ms`` as in `Measurement`."""

    replies: tuple[Reply, ...]
    wall_ms: float
    outside_decode: float | None = None


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Timings(BaseModel):
    cache_n: int = 0
    prompt_n: int
    draft_n: int = 0
    draft_n_accepted: int = 0


class _Event(BaseModel):
    choices: list[_Choice] = []
    timings: _Timings | None = None
    error: JsonValue = None


async def ask_together(port: int, asked: Sequence[Asked], tokens: int) -> Together:
    """Send all requests at once and read every reply to its end.

    Raises
    ------
    StreamFault
        If a reply fails or has not as many tokens as were asked for.
    """
    responses: dict[int, Response] = {}

    async def ask(number: int, body: bytes) -> None:
        responses[number] = await post(port, CHAT_COMPLETIONS, body)

    bodies = [json.dumps(request.body).encode() for request in asked]
    try:
        async with anyio.create_task_group() as group:
            for number, body in enumerate(bodies):
                group.start_soon(ask, number, body)
    except* ExchangeFault as faults:
        raise StreamFault(str(faults.exceptions[0])) from faults
    first_sent = min(response.sent_ns for response in responses.values())
    last_ended = max(response.ended_ns for response in responses.values())
    replies = tuple(reply_of(request.prompt_id, responses[i], tokens) for i, request in enumerate(asked))
    return Together(replies, (last_ended - first_sent) / 1e6)


def reply_of(prompt_id: str, response: Response, tokens: int) -> Reply:
    """Make a reply of a response that must hold so many tokens.

    The first token is the first event with text, the end the event that names the reason for it.

    Raises
    ------
    StreamFault
        If the server refused, the stream carries an error, or it ended for another reason than its length.
    """
    if response.status != OK:
        said = b"".join(piece.data for piece in response.body)[:300].decode(errors="replace")
        raise StreamFault(f"the request for {prompt_id} was answered with status {response.status}: {said}")
    text, reason = "", ""
    first_ns = ended_ns = 0
    timings: _Timings | None = None
    for at_ns, event in _events(response.body):
        if event.error is not None:
            raise StreamFault(f"the reply to {prompt_id} is an error: {event.error}")
        timings = event.timings or timings
        for choice in event.choices:
            if choice.delta.content:
                text += choice.delta.content
                first_ns = first_ns or at_ns
            if choice.finish_reason:
                reason, ended_ns = choice.finish_reason, at_ns
    if reason != "length":
        raise StreamFault(f"the reply to {prompt_id} ended with {reason or 'nothing'!r} before its {tokens} tokens")
    return Reply(
        prompt_id=prompt_id,
        text=text,
        tokens=tokens,
        prompt_tokens=timings.prompt_n + timings.cache_n if timings else None,
        drafted=timings.draft_n if timings else None,
        accepted=timings.draft_n_accepted if timings else None,
        first_token_ms=(first_ns - response.sent_ns) / 1e6,
        ended_ms=(ended_ns - response.sent_ns) / 1e6,
    )


def _events(pieces: Sequence[Arrived]) -> Iterator[tuple[int, _Event]]:
    """Yield every event with the time at which it was complete."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece.data).split(b"\n")
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data and data != b"[DONE]":
                try:
                    yield piece.at_ns, _Event.model_validate_json(data)
                except ValidationError as error:
                    raise StreamFault(f"the server sent an event that is none: {data[:100]!r}") from error
