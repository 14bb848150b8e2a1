"""Streamed replies written down by hand."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.endpoints.types import Completion, CountSource
from halospec.records.schema import Round

MS = 1_000_000


def reply_of(
    event_ms: Sequence[float],
    *,
    tokens: int | None = None,
    counted: tuple[int, int] | None = None,
    rounds: Sequence[Round] | None = None,
    source: CountSource = CountSource.TIMINGS,
    ended_ms: float | None = None,
    text: str = "one two",
    **fields: object,
) -> Completion:
    """A streamed reply: when its events came, and what the server counted (drafted, accepted)."""
    event_ns = tuple(round(ms * MS) for ms in event_ms)
    return Completion(
        text=text,
        finish_reason="length",
        completion_tokens=len(event_ms) if tokens is None else tokens,
        drafted=None if counted is None else counted[0],
        accepted=None if counted is None else counted[1],
        drafted_from=None if counted is None else source,
        rounds=None if rounds is None else len(rounds),
        round_log=tuple(rounds or ()),
        event_ns=event_ns,
        ended_ns=None if not event_ns else event_ns[-1] if ended_ms is None else round(ended_ms * MS),
        **fields,  # type: ignore[arg-type]
    )
