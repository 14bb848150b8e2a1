"""Runs compared with a baseline run: metric by metric, mode by mode, phase by phase.

Every change is a ratio to the baseline, with an interval that holds for all changes of its metric at once: over modes
and phases by max-t where the runs are paired (halospec.inference) and by Bonferroni where they are not, over several
candidates by Bonferroni always. Different metrics are different families.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from halospec.analysis.slo import Slo
from halospec.compare.cells import Grid, blanked, paired, without_logarithm
from halospec.compare.differences import cautions_of
from halospec.compare.metrics import ComparedMetric, terms_of
from halospec.compare.pairing import pairing_of
from halospec.compare.runs import ComparedRun
from halospec.compare.shares import ShareInterval, relative, share_interval
from halospec.compare.values import Change, Comparison, Level, Method, Row, RunComparison, RunFacts
from halospec.compare.welch import welch
from halospec.inference.comparisons import compare_to
from halospec.inference.estimates import estimate
from halospec.inference.types import CONFIDENCE, Floats, LogRatio, Sums
from halospec.records.schema import Phase

_EMPTY_BLOCK = "a block in which it is 0 has no ratio"


def compare_runs(
    runs: Sequence[ComparedRun],
    metrics: Sequence[ComparedMetric],
    *,
    slo: Slo | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 1,
) -> RunComparison:
    """Compare runs, two or more, with the first of them.

    Parameters
    ----------
    slo
        Objectives for attainment, the same for all runs.
    confidence
        Of all changes of a metric together, and of all its levels together.
    seed
        Of whatever is drawn.

    Raises
    ------
    ValueError
        If attainment is asked for without objectives.
    """
    baseline, *candidates = runs
    grids = [Grid.of([baseline.requests.measured, candidate.requests.measured]) for candidate in candidates]
    comparisons = [
        _Pair(baseline, candidate, grid, (1 - confidence) / len(candidates), seed).comparison(
            metrics, slo, level=(1 - confidence) / max(1, sum(len(grid.strata) for grid in grids))
        )
        for candidate, grid in zip(candidates, grids, strict=True)
    ]
    return RunComparison(
        confidence=confidence,
        seed=seed,
        placebo=any(run.is_placebo for run in runs),
        slo=slo,
        metrics=tuple(metrics),
        runs=tuple(map(_facts, runs)),
        cautions=cautions_of(runs),
        comparisons=tuple(comparisons),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two runs on their common grid.

    Attributes
    ----------
    alpha
        1 - the confidence of all changes of a metric between these two.
    """

    baseline: ComparedRun
    candidate: ComparedRun
    grid: Grid
    alpha: float
    seed: int

    def comparison(self, metrics: Sequence[ComparedMetric], slo: Slo | None, level: float) -> Comparison:
        pairing = pairing_of(self.baseline.name, self.baseline.manifest, self.candidate.name, self.candidate.manifest)
        rows: list[Row] = []
        for metric in metrics:
            sums = self._sums(self.baseline, metric, slo), self._sums(self.candidate, metric, slo)
            if metric is ComparedMetric.ATTAINMENT:
                rows += self._share_rows(metric, *sums, level)
            else:
                changes = self._paired(*sums) if pairing.is_paired else self._unpaired(*sums)
                rows += self._rows(metric, *sums, changes, level)
        latencies = [self._sums(run, ComparedMetric.LATENCY, None) for run in (self.baseline, self.candidate)]
        places = [_places_of(run) for run in (self.baseline, self.candidate)]
        return Comparison(
            candidate=self.candidate.name,
            pairing=pairing,
            unmatched_cells=paired(*latencies).unmatched if pairing.is_paired else 0,
            only_in_baseline=_only_in_first(*places),
            only_in_candidate=_only_in_first(*reversed(places)),
            silent=_silent(self.baseline, self.candidate),
            rows=tuple(rows),
        )

    def _sums(self, run: ComparedRun, metric: ComparedMetric, slo: Slo | None) -> Sums:
        measured = run.requests.measured
        return self.grid.sums(measured, terms_of(measured, metric, slo))

    def _paired(self, baseline: Sums, candidate: Sums) -> list[Change | None]:
        both = paired(baseline, candidate).sums
        empty = without_logarithm(both)
        found = compare_to(blanked(both, empty), 0, confidence=1 - self.alpha, seed=self.seed)
        return [
            _pooled_change(both, place) if empty[place] else _change(row[1], _method(row[1]))
            for place, row in enumerate(found)
        ]

    def _unpaired(self, baseline: Sums, candidate: Sums) -> list[Change | None]:
        # The grid holds the blocks of both runs; a block that one of them lacks has no sums there, and counts for none.
        together = Sums(
            np.concatenate([baseline.numerator, candidate.numerator], axis=3),
            np.concatenate([baseline.denominator, candidate.denominator], axis=3),
        )
        empty = without_logarithm(together)
        level = self.alpha / max(1, len(self.grid.strata))
        changes: list[Change | None] = []
        for place in range(len(self.grid.strata)):
            blocks = [_blocks(run, place) for run in (baseline, candidate)]
            if any(sizes.size == 0 for _, sizes in blocks):
                changes.append(None)
            elif empty[place]:
                changes.append(_pooled_change(together, place))
            else:
                logs = [np.log(counts / sizes) for counts, sizes in blocks]
                changes.append(_change(welch(*logs, level=level), Method.WELCH))
        return changes

    def _rows(
        self,
        metric: ComparedMetric,
        baseline: Sums,
        candidate: Sums,
        changes: Sequence[Change | None],
        level: float,
    ) -> list[Row]:
        levels = [_levels(run, level, self.seed, highest=metric.highest) for run in (baseline, candidate)]
        return [
            Row(metric=metric, mode=at.mode, phase=at.phase, baseline=before, candidate=after, change=change)
            for at, before, after, change in zip(self.grid.strata, *levels, changes, strict=True)
            if before is not None and after is not None
        ]

    def _share_rows(self, metric: ComparedMetric, baseline: Sums, candidate: Sums, level: float) -> list[Row]:
        rows = []
        for place, at in enumerate(self.grid.strata):
            blocks = [_blocks(run, place) for run in (baseline, candidate)]
            if any(sizes.size == 0 for _, sizes in blocks):
                continue
            before, after = (share_interval(counts, sizes, level=level) for counts, sizes in blocks)
            held = [sizes.size for _, sizes in blocks]
            rows.append(
                Row(
                    metric=metric,
                    mode=at.mode,
                    phase=at.phase,
                    baseline=_share_level(before, held[0]),
                    candidate=_share_level(after, held[1]),
                    change=_share_change(before, after, min(held)),
                )
            )
        return rows


def _places_of(run: ComparedRun) -> dict[str, tuple[Phase, ...]]:
    """Return the measured phases of each mode."""
    return {mode: of_mode.phases_here for mode, of_mode in run.requests.measured.by_mode()}


def _only_in_first(first: Mapping[str, Sequence[Phase]], second: Mapping[str, Sequence[Phase]]) -> tuple[str, ...]:
    """Return the modes that the second of two runs lacks, and, where it has a mode, the phases that it lacks of it."""
    lacking: list[str] = []
    for mode, phases in first.items():
        if mode not in second:
            lacking.append(mode)
        else:
            lacking += [f"{mode} in {phase.value}" for phase in phases if phase not in second[mode]]
    return tuple(lacking)


def _silent(baseline: ComparedRun, candidate: ComparedRun) -> tuple[str, ...]:
    """Return where the baseline answered and every request of a candidate failed."""
    answered = {(mode, phase) for mode, phase, _ in baseline.requests.measured.successes.by_mode_and_phase()}
    return tuple(
        f"{mode} in {phase.value}"
        for mode, phase, here in candidate.requests.measured.by_mode_and_phase()
        if (mode, phase) in answered and not here.success.any()
    )


def _blocks(run: Sums, stratum: int) -> tuple[Floats, Floats]:
    """Return numerator and denominator of each block in which a run has any data."""
    numerator = run.numerator[:, :, stratum, 0].sum(axis=1)
    denominator = run.denominator[:, :, stratum, 0].sum(axis=1)
    held = denominator > 0
    return numerator[held], denominator[held]


def _levels(run: Sums, level: float, seed: int, *, highest: float) -> list[Level | None]:
    empty = without_logarithm(run)
    estimates = estimate(blanked(run, empty), confidence=1 - level, seed=seed)
    levels: list[Level | None] = []
    for place, (found,) in enumerate(estimates):
        counts, sizes = _blocks(run, place)
        if found is not None:
            high = None if found.high is None else min(found.high, highest)
            levels.append(Level(value=found.value, low=found.low, high=high, blocks=found.blocks))
        elif sizes.size:
            value = float(counts.sum() / sizes.sum())
            levels.append(Level(value=value, low=None, high=None, blocks=sizes.size))
        else:
            levels.append(None)
    return levels


def _change(found: LogRatio | None, method: Method | None) -> Change | None:
    if found is None:
        return None
    return Change(
        percent=100 * math.expm1(found.value),
        low_percent=_percent(found.low),
        high_percent=_percent(found.high),
        smallest_detectable_percent=_percent(found.smallest_detectable),
        blocks=found.blocks,
        method=None if found.low is None else method,
    )


def _pooled_change(both: Sums, stratum: int) -> Change | None:
    """Return a change of which only the estimate can be given."""
    counts, sizes = (part[:, :, stratum].sum(axis=(0, 1)) for part in (both.numerator, both.denominator))
    if (sizes <= 0).any() or counts[0] <= 0:
        return None
    blocks = int((both.denominator[:, :, stratum].sum(axis=1) > 0).sum(axis=0).min())
    ratio = float(counts[1] / sizes[1]) / float(counts[0] / sizes[0])
    return Change(
        percent=100 * (ratio - 1),
        low_percent=None,
        high_percent=None,
        smallest_detectable_percent=None,
        blocks=blocks,
        method=None,
        note=_EMPTY_BLOCK,
    )


def _share_level(share: ShareInterval, blocks: int) -> Level:
    low, high = (share.low, share.high) if blocks > 1 else (None, None)
    return Level(value=share.value, low=low, high=high, blocks=blocks)


def _share_change(before: ShareInterval, after: ShareInterval, blocks: int) -> Change | None:
    found = relative(after, before)
    if found is None:
        return None
    return Change(
        percent=100 * (found.value - 1),
        low_percent=100 * (found.low - 1) if blocks > 1 else None,
        high_percent=100 * (found.high - 1) if blocks > 1 and math.isfinite(found.high) else None,
        smallest_detectable_percent=None,
        blocks=blocks,
        method=Method.SHARES if blocks > 1 else None,
    )


def _method(found: LogRatio | None) -> Method | None:
    return None if found is None or found.method is None else Method(found.method.value)


def _percent(log_ratio: float | None) -> float | None:
    """Return a difference of logarithms in percent; None where it is beyond all numbers."""
    if log_ratio is None or log_ratio > math.log(np.finfo(np.float64).max / 100):
        return None
    return 100 * math.expm1(log_ratio)


def _facts(run: ComparedRun) -> RunFacts:
    measured, manifest = run.requests.measured, run.manifest
    return RunFacts(
        name=run.name,
        path=str(run.path),
        started_at=manifest.started_at if manifest else None,
        halospec=manifest.halospec if manifest else None,
        model=manifest.server.model if manifest else None,
        blocks=len(measured.blocks_here),
        requests=len(measured),
        failures=int((~measured.success).sum()),
        placebo=run.is_placebo,
    )
