"""Clients that stream chat completions, and what they saw: bytes with their times first, meaning after the end.

The clients share the machine with the server they time, so nothing is parsed while text arrives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import anyio
import httpx
from pydantic import BaseModel, JsonValue

from engine_peers.records import Reply

Body = dict[str, JsonValue]


class StreamFault(Exception):
    """A reply that cannot be measured; the message is one sentence."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    prompt_id: str
    body: Body


@dataclass(frozen=True)
class Arrived:
    """A piece of a response, and when it came."""

    at_ns: int
    data: bytes


@dataclass(frozen=True)
class Stream:
    """A response as it came."""

    sent_ns: int
    pieces: Sequence[Arrived]


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


async def ask_together(client: httpx.AsyncClient, url: str, asked: Sequence[Asked], tokens: int) -> Together:
    """Send all requests at once and read every reply to its end.

    Raises
    ------
    StreamFault
        If a reply fails or has not as many tokens as were asked for.
    """
    streams: dict[int, Stream] = {}

    async def read(number: int, body: Body) -> None:
        streams[number] = await _read(client, url, body)

    try:
        async with anyio.create_task_group() as group:
            for number, request in enumerate(asked):
                group.start_soon(read, number, request.body)
    except* (httpx.HTTPError, StreamFault) as faults:
        first = faults.exceptions[0]
        raise StreamFault(f"{url}: {first or type(first).__name__}") from faults
    first_sent = min(stream.sent_ns for stream in streams.values())
    last_ended = max(stream.pieces[-1].at_ns for stream in streams.values())
    replies = tuple(reply_of(asked[i].prompt_id, streams[i], tokens) for i in range(len(asked)))
    return Together(replies, (last_ended - first_sent) / 1e6)


async def _read(client: httpx.AsyncClient, url: str, body: Body) -> Stream:
    sent_ns = time.perf_counter_ns()
    async with client.stream("POST", url, json=body) as response:
        pieces = [Arrived(time.perf_counter_ns(), data) async for data in response.aiter_raw()]
        if response.status_code != httpx.codes.OK:
            said = b"".join(piece.data for piece in pieces)
            raise StreamFault(f"status {response.status_code}: {said[:300].decode(errors='replace')}")
    return Stream(sent_ns, pieces)


def reply_of(prompt_id: str, stream: Stream, tokens: int) -> Reply:
    """Make a reply of a stream that must hold so many tokens.

    The first token is the first event with text, the end the event that names the reason for it.

    Raises
    ------
    StreamFault
        If the stream carries an error, breaks off, or ended for another reason than its length.
    """
    text, reason = "", ""
    first_ns = ended_ns = 0
    timings: _Timings | None = None
    for at_ns, event in _events(stream.pieces):
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
        first_token_ms=(first_ns - stream.sent_ns) / 1e6,
        ended_ms=(ended_ns - stream.sent_ns) / 1e6,
    )


def _events(pieces: Sequence[Arrived]) -> Iterator[tuple[int, _Event]]:
    """Yield every event with the time at which it was complete."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece.data).split(b"\n")
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if data and data != b"[DONE]":
                yield piece.at_ns, _Event.model_validate_json(data)
