"""Modes and phases described: how many requests, how long they took, what was accepted, why some failed."""

from __future__ import annotations

import numpy as np

from halospec.analysis.requests import Requests
from halospec.analysis.statistics import (
    acceptance,
    drafted_per_round,
    latency,
    mean,
    tokens_per_second,
    tpot_ms,
)
from halospec.analysis.value import Value
from halospec.records.schema import Phase


class ModeSummary(Value):
    """The original's table: one mode over all its phases. Statistics cover successes.

    Attributes
    ----------
    from_cache
        Requests whose prompt the server answered in part from a cache; ``None`` where it never said.
    """

    mode: str
    steps: int
    successes: int
    failures: int
    success_percent: float
    mean_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    min_ms: float | None
    max_ms: float | None
    sd_ms: float | None
    tokens_per_second: float | None
    score: float | None
    tpot_ms: float | None
    acceptance: float | None
    from_cache: int | None = None


class PhaseSummary(Value):
    """One mode in one phase. Statistics cover successes.

    Attributes
    ----------
    acceptance
        Σ accepted / Σ drafted, 0 to 1.
    load_percent
        Mean CPU share that the burners got, in percent of the cores they were meant to load.
    draft_length
        Mean of the k asked for; of a rule inside the server of what it had in force, round by round.
    """

    mode: str
    phase: Phase
    requests: int
    failures: int
    mean_ms: float | None
    median_ms: float | None
    max_ms: float | None
    score: float | None
    tpot_ms: float | None
    ttft_ms: float | None
    acceptance: float | None
    drafted_per_round: float | None
    load_percent: float | None
    draft_length: float | None


class LowestScore(Value):
    """The mode with the lowest score, which is not by itself evidence of a difference.

    Attributes
    ----------
    same_phases
        Whether all modes that have a score ran in the same phases; if not, scores cannot be compared.
    """

    mode: str
    score: float
    compared_modes: int
    same_phases: bool


class FailureReason(Value):
    """How often a mode's requests failed for one reason."""

    mode: str
    error: str
    count: int


def mode_summary(mode: str, requests: Requests) -> ModeSummary:
    """Describe the requests of one mode, of which there are some."""
    good = requests.successes
    spread = latency(good)
    return ModeSummary(
        mode=mode,
        steps=len(requests),
        successes=len(good),
        failures=len(requests) - len(good),
        success_percent=100 * len(good) / len(requests),
        mean_ms=spread and spread.mean,
        median_ms=spread and spread.median,
        p95_ms=spread and spread.p95,
        min_ms=spread and spread.minimum,
        max_ms=spread and spread.maximum,
        sd_ms=spread and spread.sd,
        tokens_per_second=tokens_per_second(good),
        score=spread and spread.score,
        tpot_ms=tpot_ms(good),
        acceptance=acceptance(good),
        from_cache=None if np.isnan(good.cached_tokens).all() else int(np.count_nonzero(good.cached_tokens > 0)),
    )


def phase_summary(mode: str, phase: Phase, requests: Requests) -> PhaseSummary:
    """Describe the requests of one mode in one phase."""
    good = requests.successes
    spread = latency(good)
    return PhaseSummary(
        mode=mode,
        phase=phase,
        requests=len(requests),
        failures=len(requests) - len(good),
        mean_ms=spread and spread.mean,
        median_ms=spread and spread.median,
        max_ms=spread and spread.maximum,
        score=spread and spread.score,
        tpot_ms=tpot_ms(good),
        ttft_ms=mean(good.ttft_ms),
        acceptance=acceptance(good),
        drafted_per_round=drafted_per_round(good),
        load_percent=mean(good.load_percent),
        draft_length=mean(good.length_in_force),
    )


def lowest_score(modes: tuple[ModeSummary, ...], requests: Requests) -> LowestScore | None:
    """Return the mode with the lowest score; ``None`` if none has one."""
    scores = {mode.mode: mode.score for mode in modes if mode.score is not None}
    if not scores:
        return None
    lowest = min(scores, key=scores.__getitem__)
    phases = {of_mode.phases_here for _, of_mode in requests.successes.by_mode()}
    return LowestScore(mode=lowest, score=scores[lowest], compared_modes=len(scores), same_phases=len(phases) == 1)


def failure_reasons(requests: Requests) -> tuple[FailureReason, ...]:
    """Count why requests failed, each mode's most frequent reason first."""
    reasons = []
    for mode, of_mode in requests.by_mode():
        errors, first, counts = np.unique(of_mode.error, return_index=True, return_counts=True)
        most_common = np.lexsort((first, -counts))
        reasons += [
            FailureReason(mode=mode, error=requests.errors[errors[place]], count=int(counts[place]))
            for place in most_common
            if errors[place] >= 0
        ]
    return tuple(reasons)
