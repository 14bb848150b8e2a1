"""What a mode cost per token beyond the best fixed draft length, and beyond the best one of each phase.

Two references, both known only afterwards: the *best fixed* k is the one that was fastest over all phases together, and
the *phase oracle* takes in each phase the k that was fastest there. Regret against the best fixed k can be negative: a
mode that changes k with the phase may beat every constant. No mode can be expected to beat the oracle by more than it
adapts within a phase.

All are judged on the same requests: those (block, prompt, phase) which every mode answered. So the mix of phases and
replies is the same for all, whoever was slow. Regret is what these requests cost: intervals are over blocks, and hold
for the prompts that were asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halospec.analysis.cells import Metric, cells_of
from halospec.analysis.modes import fixed_length
from halospec.analysis.request_times import RequestTime, times_of
from halospec.analysis.requests import PHASES, Requests
from halospec.analysis.value import Value
from halospec.inference.comparisons import against_lowest
from halospec.inference.types import CONFIDENCE, LogRatio, Sums
from halospec.records.schema import Phase

_MOST_BLOCKS = 30
"""More blocks are summed in this many groups of neighbours, and all prompts of a block together: every mode is compared
with every fixed one in every phase, and clusters that are too coarse leave an interval valid."""


class Regret(Value):
    """Time per output token of a mode minus a reference's.

    Attributes
    ----------
    per_token_ms, low_ms, high_ms
        The percentages of the time per output token that the reference was measured to have.
    percent, low_percent, high_percent
        Relative to the reference. The interval allows for not knowing which k is the best; it is ``None`` where fewer
        than two blocks hold every mode.
    """

    per_token_ms: float
    low_ms: float | None
    high_ms: float | None
    percent: float
    low_percent: float | None
    high_percent: float | None


class BestFixed(Value):
    """The fixed mode with the lowest time per output token, over one phase or (``None``) all.

    It is the lowest estimate, which is not by itself evidence that it is better than the next.
    """

    phase: Phase | None
    mode: str
    tpot_ms: float
    token_share: float


class ModeRegret(Value):
    """One mode against both references."""

    mode: str
    against_best_fixed: Regret | None
    against_oracle: Regret | None


class RegretSummary(Value):
    """The regret of every mode.

    Attributes
    ----------
    blocks
        Those with requests that every mode answered.
    common_places, places
        At how many places (block, prompt, phase) every mode answered, of those at which any did.
    best_in_phase
        What the oracle chooses. Phases that not every mode has been in are left out.
    confidence
        Of each interval by itself.
    """

    blocks: int
    common_places: int
    places: int
    best_fixed: BestFixed
    best_in_phase: tuple[BestFixed, ...]
    modes: tuple[ModeRegret, ...]
    confidence: float


def regret(requests: Requests, *, confidence: float = CONFIDENCE, seed: int = 1) -> RegretSummary | None:
    """Return each mode's regret; ``None`` without a fixed mode, a second mode, or requests that every mode answered.

    Against the oracle the interval sums those of the phases, weighted by their tokens; each of these has the confidence
    1 - (1 - confidence) / phases, so that the sum has at least what was asked for (Bonferroni).
    """
    common = _common(requests)
    cells = cells_of(common.answered_by_all, Metric.TPOT)
    fixed = [place for place, mode in enumerate(cells.modes) if fixed_length(mode) is not None]
    if len(cells.modes) < 2 or not fixed:
        return None
    by_phase = _grouped(cells.sums)
    pooled = Sums(by_phase.numerator.sum(axis=2, keepdims=True), by_phase.denominator.sum(axis=2, keepdims=True))
    tokens = by_phase.denominator.sum(axis=(0, 1, 3))
    shares = [float(share) for share in tokens / tokens.sum()]
    best_in_phase = tuple(
        _best(by_phase, stratum, fixed, cells.modes, phase, shares[stratum])
        for stratum, phase in enumerate(cells.phases)
    )
    best_fixed = _best(pooled, 0, fixed, cells.modes, None, 1.0)
    each = 1 - (1 - confidence) / len(cells.phases)

    def of_mode(arm: int) -> ModeRegret:
        to_best = against_lowest(pooled, 0, arm, fixed, confidence=confidence, seed=seed)
        to_oracle = [
            against_lowest(by_phase, stratum, arm, fixed, confidence=each, seed=seed)
            for stratum in range(len(cells.phases))
        ]
        is_fixed = arm in fixed
        return ModeRegret(
            mode=cells.modes[arm],
            against_best_fixed=_weighted([to_best], [best_fixed], is_fixed=is_fixed),
            against_oracle=_weighted(to_oracle, best_in_phase, is_fixed=is_fixed),
        )

    return RegretSummary(
        blocks=len(common.answered_by_all.blocks_here),
        common_places=common.places,
        places=common.of,
        best_fixed=best_fixed,
        best_in_phase=best_in_phase,
        modes=tuple(of_mode(arm) for arm in range(len(cells.modes))),
        confidence=confidence,
    )


@dataclass(frozen=True)
class _Common:
    """Requests at those places (block, prompt, phase) at which every mode has one, and how many places those are."""

    answered_by_all: Requests
    places: int
    of: int


def _common(requests: Requests) -> _Common:
    """Leave out what not every mode answered; a mode of which no time per token is known at all does not count."""
    kept = requests.measured.successes
    kept = kept.where(np.isfinite(times_of(kept, RequestTime.TPOT)))
    _, block = np.unique(kept.block, return_inverse=True)
    _, place = np.unique(
        (block * (len(kept.prompts) + 1) + kept.prompt + 1) * len(PHASES) + kept.phase, return_inverse=True
    )
    modes = len(kept.modes)
    modes_at = np.bincount(np.unique(place * modes + kept.mode) // max(1, modes))
    is_common = modes_at == len(kept.modes_here)
    return _Common(kept.where(is_common[place]), int(np.count_nonzero(is_common)), len(modes_at))


def _grouped(sums: Sums) -> Sums:
    starts = [int(group[0]) for group in np.array_split(np.arange(len(sums.numerator)), _MOST_BLOCKS) if len(group)]
    numerator, denominator = (
        np.add.reduceat(values.sum(axis=1, keepdims=True), starts, axis=0)
        for values in (sums.numerator, sums.denominator)
    )
    return Sums(numerator, denominator)


def _best(
    sums: Sums, stratum: int, fixed: Sequence[int], modes: Sequence[str], phase: Phase | None, token_share: float
) -> BestFixed:
    numerator, denominator = (
        values[:, :, stratum, list(fixed)].sum(axis=(0, 1)) for values in (sums.numerator, sums.denominator)
    )
    tpot_ms = numerator / denominator
    place = int(np.argmin(tpot_ms))
    return BestFixed(phase=phase, mode=modes[fixed[place]], tpot_ms=float(tpot_ms[place]), token_share=token_share)


def _weighted(found: Sequence[LogRatio | None], best: Sequence[BestFixed], *, is_fixed: bool) -> Regret | None:
    """Add up the differences to the best of each phase, weighted by tokens."""
    ratios = [one for one in found if one is not None]
    reference_ms = sum(of.tpot_ms * of.token_share for of in best)
    if len(ratios) < len(found) or reference_ms == 0:
        return None

    # A fixed mode is never faster than the fastest of them, though a single block may say otherwise.
    values = [max(one.value, 0.0) if is_fixed else one.value for one in ratios]
    lows = [one.low for one in ratios if one.low is not None]
    highs = [one.high for one in ratios if one.high is not None]
    value_ms = _total_ms(values, best)
    low_ms = _total_ms(lows, best) if len(lows) == len(best) else None
    high_ms = _total_ms(highs, best) if len(highs) == len(best) else None
    return Regret(
        per_token_ms=value_ms,
        low_ms=low_ms,
        high_ms=high_ms,
        percent=100 * value_ms / reference_ms,
        low_percent=None if low_ms is None else 100 * low_ms / reference_ms,
        high_percent=None if high_ms is None else 100 * high_ms / reference_ms,
    )


def _total_ms(log_ratios: Sequence[float], best: Sequence[BestFixed]) -> float:
    """Return what log ratios to the best of each phase amount to per token."""
    return sum(
        math.expm1(log_ratio) * of.tpot_ms * of.token_share for log_ratio, of in zip(log_ratios, best, strict=True)
    )
