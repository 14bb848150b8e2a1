"""What the analysis needs to know of a measured request, whichever file it was read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from halospec.analysis.modes import in_order
from halospec.records.classic_csv import ClassicRow
from halospec.records.placebo import is_placebo
from halospec.records.schema import CountSource, Phase, RequestRecord


@dataclass(frozen=True)
class Observation:
    """One measured request; ``None`` means that the file or the server did not say.

    Attributes
    ----------
    tokens
        Completion tokens.
    decode_ms
        From the first token to the end of the reply.
    placebo
        Whether this request's run was a placebo; the same for all of a run.
    """

    mode: str
    phase: Phase
    block: int
    step: int
    draft_length: int | None
    success: bool
    latency_ms: float
    tokens: int | None
    error: str | None = None
    decode_ms: float | None = None
    ttft_ms: float | None = None
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None
    load_percent: float | None = None
    prompt_id: str | None = None
    text_sha256: str | None = None
    tokens_from: CountSource | None = None
    placebo: bool = False


Observations = tuple[Observation, ...]


def measured(requests: Iterable[RequestRecord | ClassicRow]) -> Observations:
    """Return the measured requests of a run in the order given; warm-up requests are left out.

    The original's CSV knows no blocks: a mode whose ``step`` starts again is in its next one. One placebo request, even
    of the warm-up, makes the whole run a placebo.
    """
    run = tuple(requests)
    blocks = _BlockCount()
    kept = (request for request in run if request.phase is not Phase.WARMUP)
    observations = tuple(
        _of_record(request) if isinstance(request, RequestRecord) else _of_row(request, blocks.of(request))
        for request in kept
    )
    return tuple(replace(seen, placebo=True) for seen in observations) if is_placebo(run) else observations


def successes(observations: Observations) -> Observations:
    """Return the requests that statistics cover."""
    return tuple(seen for seen in observations if seen.success)


def by_mode(observations: Observations) -> dict[str, Observations]:
    """Return each mode's requests, the modes in order."""
    groups: defaultdict[str, list[Observation]] = defaultdict(list)
    for seen in observations:
        groups[seen.mode].append(seen)
    return {mode: tuple(groups[mode]) for mode in in_order(groups)}


def by_block(observations: Observations) -> dict[int, Observations]:
    """Return each block's requests in the order of their steps."""
    groups: defaultdict[int, list[Observation]] = defaultdict(list)
    for seen in observations:
        groups[seen.block].append(seen)
    return {block: tuple(sorted(groups[block], key=lambda seen: seen.step)) for block in sorted(groups)}


def in_phase(observations: Observations, phase: Phase) -> Observations:
    """Return the requests of one phase."""
    return tuple(seen for seen in observations if seen.phase is phase)


class _BlockCount:
    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def of(self, row: ClassicRow) -> int:
        block, step = self._last.get(row.mode, (1, -1))
        if row.step <= step:
            block += 1
        self._last[row.mode] = (block, row.step)
        return block


def _of_record(record: RequestRecord) -> Observation:
    first_ns = record.first_token_ns
    return Observation(
        mode=record.mode,
        phase=record.phase,
        block=record.block,
        step=record.step,
        draft_length=record.draft_length,
        success=record.success,
        latency_ms=record.latency_ms,
        tokens=record.completion_tokens,
        error=record.error,
        decode_ms=None if first_ns is None else (record.ended_ns - first_ns) / 1e6,
        ttft_ms=record.ttft_ms,
        drafted=record.drafted,
        accepted=record.accepted,
        rounds=record.rounds,
        load_percent=record.load_percent,
        prompt_id=record.prompt_id,
        text_sha256=record.text_sha256,
        tokens_from=record.tokens_from,
    )


def _of_row(row: ClassicRow, block: int) -> Observation:
    return Observation(
        mode=row.mode,
        phase=row.phase,
        block=block,
        step=row.step,
        draft_length=row.draft_length,
        success=row.success,
        latency_ms=float(row.latency_ms),
        tokens=row.tokens or None,
        error=None if row.success else "the CSV does not say why",
    )
