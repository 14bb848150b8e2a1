"""What a few more requests say of a server: whether it caches prompts, and how it answers two at once."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

import anyio

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.types import ChatRequest, Message
from halospec.probe.bursts import arrives_at_once
from halospec.probe.canaries import canary_request
from halospec.probe.reply_traits import first_error, repeating, streaming, unknown
from halospec.probe.sender import Asked, Sender
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import Traits

REQUESTS = 8
TOGETHER = "together"
ONE_AFTER_THE_OTHER = "one_after_the_other"

_LONG_PROMPT_WORDS = 50
_SHORT_REPLY_TOKENS = 4
_CACHED_SHARE = 0.5
_FASTER_SHARE = 0.6
_OVERLAP_SHARE = 0.5
_SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "zu")


async def ask_for_traits(sender: Sender, dialect: Dialect, settings: ProbeSettings) -> Traits:
    """Send what is needed to learn more of a server than its draft length; no failure of theirs ends anything."""
    sender.expect(REQUESTS)
    request = canary_request(1, settings.max_tokens, dialect)
    streamed = await sender.ask("streaming", request)
    repeated = await sender.ask("repeating", request)
    unstreamed = await sender.ask("not streaming", replace(request, stream=False, running_counts=False))
    long = _long_request(settings.seed)
    fresh = await sender.ask("prompt cache", replace(long, reuse_prompt=True))
    again = await sender.ask("prompt cache", replace(long, reuse_prompt=True))
    kept_out = await sender.ask("prompt cache", long)
    pair = await _ask_two(sender, request, canary_request(2, settings.max_tokens, dialect))
    return merged(
        [
            streaming(streamed, unstreamed),
            repeating([streamed, repeated, unstreamed]),
            prompt_cache(fresh, again, kept_out, can_keep_out=dialect.cache_prompt),
            two_at_once([streamed, repeated], pair),
        ]
    )


def prompt_cache(fresh: Asked, again: Asked, kept_out: Asked, *, can_keep_out: bool) -> Traits:
    """Tell from one prompt sent three times whether it was read anew, the last time with the cache forbidden.

    Parameters
    ----------
    can_keep_out
        Whether the server's dialect has a field that forbids it.
    """
    caches = _was_cached(again, fresh)
    if caches is None:
        return unknown("whether it caches prompts", first_error([fresh, again]))
    if not caches:
        return Traits(caches_prompts=False)
    if not can_keep_out:
        note = "It caches prompts, and no way to prevent that is known: a prompt that returns is read faster."
        return Traits(caches_prompts=True, notes=(note,))
    was_cached = _was_cached(kept_out, fresh)
    if was_cached is None:
        why = unknown("whether it obeys cache_prompt", first_error([kept_out]))
        return Traits(caches_prompts=True, notes=why.notes)
    note = "It caches prompts even where cache_prompt is false: a prompt that returns is read faster."
    return Traits(caches_prompts=True, obeys_cache_prompt=not was_cached, notes=(note,) if was_cached else ())


def two_at_once(alone: Sequence[Asked], pair: Sequence[Asked]) -> Traits:
    """Tell what becomes of two requests that are sent at the same moment."""
    failed = [asked for asked in pair if asked.completion is None]
    if len(failed) == 1:
        why = failed[0].error.rstrip(".")
        return Traits(notes=(f"Of two requests sent at the same moment, one came to nothing: {why}.",))
    spans = [span for asked in pair if (span := _span(asked)) is not None]
    if len(spans) < 2:
        return unknown("how it answers two requests at once", first_error(pair))
    overlap = min(end for _, end in spans) - max(start for start, _ in spans)
    is_together = overlap > _OVERLAP_SHARE * min(end - start for start, end in spans)
    single = [ms for asked in alone if (ms := _ms_per_token(asked))]
    paired = [ms for asked in pair if (ms := _ms_per_token(asked))]
    return Traits(
        two_at_once=TOGETHER if is_together else ONE_AFTER_THE_OTHER,
        slowdown_at_two=statistics.fmean(paired) / statistics.fmean(single) if single and paired else None,
    )


def merged(parts: Iterable[Traits]) -> Traits:
    """Return all that several partial findings hold."""
    whole = Traits()
    for part in parts:
        found = {name: getattr(part, name) for name in part.model_fields_set}
        whole = whole.model_copy(update={**found, "notes": whole.notes + part.notes})
    return whole


async def _ask_two(sender: Sender, *requests: ChatRequest) -> list[Asked]:
    answers: list[Asked] = []

    async def ask(request: ChatRequest) -> None:
        answers.append(await sender.ask("two at once", request))

    async with anyio.create_task_group() as both:
        for request in requests:
            both.start_soon(ask, request)
    return answers


def _long_request(seed: int) -> ChatRequest:
    """Return a prompt that no server has seen before and that takes a while to read."""
    chance = random.Random(f"prompt {seed}")  # noqa: S311  (words, not a secret)
    words = ("".join(chance.choices(_SYLLABLES, k=3)) for _ in range(_LONG_PROMPT_WORDS))
    text = f"Which of these words is the longest? {' '.join(words)}"
    return ChatRequest((Message("user", text),), max_tokens=_SHORT_REPLY_TOKENS)


def _was_cached(asked: Asked, fresh: Asked) -> bool | None:
    reply, first = asked.completion, fresh.completion
    if reply is None or first is None:
        return None
    if reply.cached_tokens is not None and reply.prompt_tokens:
        return reply.cached_tokens > _CACHED_SHARE * reply.prompt_tokens
    if reply.first_token_ns is None or first.first_token_ns is None:
        return None
    return reply.first_token_ns - asked.sent_ns < _FASTER_SHARE * (first.first_token_ns - fresh.sent_ns)


def _span(asked: Asked) -> tuple[int, int] | None:
    reply = asked.completion
    if reply is None or arrives_at_once(reply.event_ns, asked.sent_ns):
        return None
    return reply.event_ns[0], reply.event_ns[-1]


def _ms_per_token(asked: Asked) -> float | None:
    reply, span = asked.completion, _span(asked)
    if reply is None or span is None or reply.completion_tokens < 2:
        return None
    return (span[1] - span[0]) / 1e6 / (reply.completion_tokens - 1)
