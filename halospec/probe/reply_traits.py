"""What single replies say of a server: how they stream, how tokens come together, whose clock says what."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from halospec.endpoints.types import Completion, CountSource
from halospec.probe.bursts import FEWEST_EVENTS, arrives_at_once, bursts_of
from halospec.probe.canaries import Canary
from halospec.probe.evidence import decode_ms_per_token
from halospec.probe.sender import Asked
from halospec.records.probe import Traits

_BURST_SIZE = 1.2
"""Tokens a burst above which a stream counts as bursty: text held back now and then makes no bursts."""


def streaming(streamed: Asked, unstreamed: Asked) -> Traits:
    """Compare the same greedy request streamed and not streamed."""
    reply, whole = streamed.completion, unstreamed.completion
    if reply is None:
        return unknown("whether it streams", streamed.error)
    if not reply.event_ns:
        return Traits(streams=False, notes=("Replies do not come as streams, so only whole requests can be timed.",))
    notes = []
    if len(reply.event_ns) < FEWEST_EVENTS:
        notes.append("The reply ended after a token or two, so how tokens arrive cannot be seen.")
    elif arrives_at_once(reply.event_ns, streamed.sent_ns):
        notes.append("The stream arrives all at once: something between server and client holds it back.")
    tokens = _tokens(reply, whole)
    if reply.tokens_from is not CountSource.EVENTS and len(reply.event_ns) > reply.completion_tokens + 1:
        notes.append(
            f"It counts {reply.completion_tokens} tokens in a reply that came in {len(reply.event_ns)} events with"
            " text: either the count is too low or an event is less than a token, and times per token are off by as"
            " much."
        )
    if reply.tokens_from is CountSource.EVENTS:
        notes.append(_uncounted(len(reply.event_ns), tokens))
    if whole is None:
        notes.append(f"The same request without a stream failed: {unstreamed.error}")
    return Traits(
        streams=True,
        usage_in_stream=reply.tokens_from is CountSource.USAGE,
        timings_in_stream=reply.predicted_ms is not None,
        events_per_reply=len(reply.event_ns),
        tokens_per_reply=tokens,
        tokens_per_event=None if tokens is None else tokens / len(reply.event_ns),
        notes=tuple(notes),
    )


def repeating(replies: Sequence[Asked]) -> Traits:
    """Tell whether the same greedy request brought the same text each time."""
    texts = [asked.completion.text for asked in replies if asked.completion is not None]
    if len(texts) < 2:
        return unknown("whether greedy output repeats", first_error(replies))
    if len(set(texts)) == 1:
        return Traits(greedy_repeats=True)
    note = "The same greedy request gave different texts, so texts cannot be compared between draft lengths."
    return Traits(greedy_repeats=False, notes=(note,))


def clocks(canaries: Iterable[Canary]) -> Traits:
    """Compare the server's own account of its time with what was seen from here; medians over all replies."""
    decode, prompt = [], []
    for canary in canaries:
        reply, ms_per_token = canary.completion, decode_ms_per_token(canary)
        if reply is None or reply.first_token_ns is None:
            continue
        if reply.predicted_ms and ms_per_token:
            decode.append(reply.predicted_ms / (ms_per_token * (reply.completion_tokens - 1)))
        ttft_ms = (reply.first_token_ns - canary.sent_ns) / 1e6
        if reply.prompt_ms and ttft_ms > 0:
            prompt.append(reply.prompt_ms / ttft_ms)
    return Traits(
        own_decode_over_ours=statistics.median(decode) if decode else None,
        own_prompt_over_ours=statistics.median(prompt) if prompt else None,
    )


def arrivals(canaries: Sequence[Canary]) -> Traits:
    """Describe how tokens come together in these replies, all with one draft length."""
    seen = [
        (canary.completion.completion_tokens, found)
        for canary in canaries
        if canary.completion is not None
        and not arrives_at_once(canary.completion.event_ns, canary.sent_ns)
        and (found := bursts_of(canary.completion.event_ns)) is not None
    ]
    if not seen:
        return Traits()
    size = sum(tokens for tokens, _ in seen) / sum(found.count for _, found in seen)
    within = [found.within_ms for _, found in seen if found.within_ms is not None]
    between = [found.between_ms for _, found in seen if found.between_ms is not None]
    note = (
        f"Tokens arrive in bursts ({size:.1f} at a time), one burst a round, so percentiles of the time between tokens"
        " (ITL) mislead here; HaloSpec reports time per round and per token instead."
    )
    return Traits(
        tokens_per_burst=size,
        within_burst_ms=statistics.median(within) if within else None,
        between_bursts_ms=statistics.median(between) if between else None,
        notes=(note,) if size >= _BURST_SIZE else (),
    )


def losslessness(canaries: Sequence[Canary], shorter: int, longer: int) -> Traits:
    """Say whether a draft length that is obeyed leaves greedy texts as they are."""
    short, long = (
        {
            canary.block: canary.completion.text
            for canary in canaries
            if canary.cell.draft_length == k and canary.completion is not None
        }
        for k in (shorter, longer)
    )
    blocks = short.keys() & long.keys()
    if not blocks:
        return Traits()
    same = sum(short[block] == long[block] for block in blocks)
    note = f"Greedy texts at k = {shorter} and k = {longer} were the same in {same} of {len(blocks)} pairs."
    if same < len(blocks):
        note += " A near-tie in the logits can flip a token without any fault in the verification."
    return Traits(notes=(note,))


def unknown(what: str, why: str) -> Traits:
    """Return traits of which nothing is known but why."""
    return Traits(notes=(f"Could not find out {what}: {why.rstrip('.')}.",))


def first_error(replies: Iterable[Asked]) -> str:
    """Return why one of several requests brought nothing to go by."""
    return next((asked.error for asked in replies if asked.error), "too little came back to tell")


def _tokens(reply: Completion, whole: Completion | None) -> int | None:
    """Return how many tokens the streamed reply has, by the best account there is."""
    if reply.tokens_from is not CountSource.EVENTS:
        return reply.completion_tokens
    if whole is not None and whole.tokens_from is not CountSource.EVENTS and whole.text == reply.text:
        return whole.completion_tokens
    return None


def _uncounted(events: int, tokens: int | None) -> str:
    if tokens is None:
        return "Its streams hold no count of tokens; each event is taken for one token, which may be wrong."
    if tokens == events:
        return "Its streams hold no count of tokens, but the same reply has one token an event, so events are counted."
    return (
        f"Tokens cannot be counted from its streams: they hold no count, and a reply of {tokens} tokens came in"
        f" {events} events. Times per token are times per event here."
    )
