"""Whether the times in a run's records go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from halospec.records.schema import RequestRecord
from halospec.validation.types import ReadRun

_TIME_WITHIN_MS = 0.01


def clock_problems(records: Iterable[RequestRecord]) -> Iterator[str]:
    """Say which records hold times that contradict each other."""
    for number, record in enumerate(records, start=1):
        if record.ended_ns < record.started_ns:
            yield f"Record {number} ends before it starts."
            continue
        if _apart(record.latency_ms, record.started_ns, record.ended_ns):
            yield f"Record {number}: latency_ms is not the time between started_ns and ended_ns."
        first_ns = record.first_token_ns
        if first_ns is not None and not record.started_ns <= first_ns <= record.ended_ns:
            yield f"Record {number}: the first token did not come between its start and its end."
        elif (
            first_ns is not None and record.ttft_ms is not None and _apart(record.ttft_ms, record.started_ns, first_ns)
        ):
            yield f"Record {number}: ttft_ms is not the time between started_ns and first_token_ns."
        if any(later < earlier for earlier, later in pairwise(record.event_ms)):
            yield f"Record {number}: its events do not follow each other in time."


def order_problems(run: ReadRun) -> Iterator[str]:
    """Say which requests overlap, or are numbered out of order."""
    for (_, earlier), (line, later) in pairwise(run.valid):
        if later.started_ns < earlier.ended_ns:
            yield f"Record {line} starts before the one ahead of it has ended."
    steps = [(line, record.global_step) for line, record in run.valid if not record.is_warmup]
    for (_, before), (line, after) in pairwise(steps):
        if after <= before:
            yield f"Record {line}: global_step does not increase from one measured request to the next."


def _apart(told_ms: float, from_ns: int, to_ns: int) -> bool:
    return abs((to_ns - from_ns) / 1e6 - told_ms) > _TIME_WITHIN_MS
