"""How modes compare: to a reference, to the best fixed k, and which of them may be the best.

Modes are compared phase by phase, and only over blocks and prompts that both have. Time per output token is the primary
metric: its comparisons with the reference are simultaneous over all modes and phases of the run, and everything else
that is stated of a phase hangs on one of them having been found there. So where nothing differs, anything is found with
probability 1 - confidence at most. The secondary metrics are families of their own and are not part of that promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from halospec.analysis.cells import Cells, Metric, cells_of
from halospec.analysis.modes import NO_SPECULATION, fixed_length
from halospec.analysis.precision import widened
from halospec.analysis.requests import Requests
from halospec.analysis.value import Value
from halospec.inference.best import best_set
from halospec.inference.comparisons import against_lowest, compare_to
from halospec.inference.estimates import estimate
from halospec.inference.types import CONFIDENCE, Estimate, LogRatio, Method
from halospec.records.schema import Phase

_LARGEST_LOG = 700.0  # exp of more is no longer a number


class Difference(Value):
    """How much more time one takes than another, in percent of the other; negative is less time, and better.

    Attributes
    ----------
    low_percent, high_percent
        Simultaneous over the family. ``None`` where fewer than two blocks hold both.
    smallest_detectable_percent
        What an experiment of this size finds with a power of 80 %.
    found
        Whether a difference may be stated.
    """

    percent: float
    low_percent: float | None
    high_percent: float | None
    smallest_detectable_percent: float | None
    blocks: int
    method: Method | None
    found: bool


class ModeInPhase(Value):
    """One mode in one phase.

    Attributes
    ----------
    value_ms, low_ms, high_ms
        The interval is for this mode and phase alone; ``None`` with one block.
    blocks
        Those with data; where a run has very many, groups of neighbouring ones.
    to_reference
        ``None`` for the reference, and where no block holds both.
    to_best_fixed
        Against the fixed mode with the lowest time, whichever that is; 0 at least for fixed modes, since they are among
        those. Simultaneous over the controllers of all phases, for fixed modes each by itself. Fixed modes have it only
        where something was found.
    """

    mode: str
    phase: Phase
    value_ms: float
    low_ms: float | None
    high_ms: float | None
    blocks: int
    method: Method | None
    to_reference: Difference | None
    to_best_fixed: Difference | None = None

    @property
    def has_interval(self) -> bool:
        """Whether the difference to the reference has one."""
        return self.to_reference is not None and self.to_reference.low_percent is not None

    @property
    def is_found(self) -> bool:
        """Whether a difference to the reference was found."""
        return self.to_reference is not None and self.to_reference.found


class Best(Value):
    """Which modes may be the best of a phase, by multiple comparisons with the best.

    Attributes
    ----------
    modes
        Those compared.
    candidates
        The true best is among them. All modes where no difference to the reference was found in this phase.
    winner
        The only candidate; ``None`` where there are several.
    """

    phase: Phase
    modes: tuple[str, ...]
    candidates: tuple[str, ...]
    winner: str | None


class Family(Value):
    """All comparisons of one metric.

    Attributes
    ----------
    comparisons
        Over how many the differences to the reference are simultaneous.
    best
        Of the primary metric only, and only phases in which two modes share two blocks.
    """

    metric: Metric
    comparisons: int
    rows: tuple[ModeInPhase, ...]
    best: tuple[Best, ...] = ()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of its rows, in order."""
        return tuple(phase for phase in Phase if self.rows_in(phase))

    def rows_in(self, phase: Phase) -> tuple[ModeInPhase, ...]:
        """Return the rows of a phase, the modes in their usual order."""
        return tuple(row for row in self.rows if row.phase is phase)

    def finds_in(self, phase: Phase) -> bool:
        """Tell whether a difference to the reference was found in a phase."""
        return any(row.is_found for row in self.rows_in(phase))

    @property
    def finds_anything(self) -> bool:
        """Whether a difference to the reference was found."""
        return any(self.finds_in(phase) for phase in self.phases)

    @property
    def has_intervals(self) -> bool:
        """Whether any comparison rests on two blocks or more."""
        return any(row.has_interval for row in self.rows)


class Comparisons(Value):
    """What a run shows of the differences between its modes.

    Attributes
    ----------
    primary
        Of the time per output token; ``None`` where none is on record.
    secondary
        Of the mean time to first token and the mean latency: each a family of its own, and used in no verdict.
    """

    reference: str
    modes: tuple[str, ...]
    confidence: float
    seed: int
    blocks: int
    placebo: bool
    primary: Family | None
    secondary: tuple[Family, ...]


def comparisons(
    requests: Requests,
    *,
    reference: str | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 1,
    pilot_blocks: int | None = None,
) -> Comparisons | None:
    """Compare the modes of a run over its successful measured requests; ``None`` where fewer than two have any.

    Parameters
    ----------
    reference
        By default ``fixed_0``, or the fixed mode with the lowest k, or the first mode.
    pilot_blocks
        Blocks whose spread decided how long the run went on: no interval of the primary metric is then narrower than
        that spread makes it (halospec.analysis.precision).

    Raises
    ------
    ValueError
        If the run has no successful request of the reference.
    """
    kept = requests.measured.successes
    modes = kept.modes_here
    if reference is not None and reference not in modes:
        raise ValueError(
            f"There is no successful request of mode {reference!r} to compare the others with; choose one of"
            f" {', '.join(modes) or 'none'}."
        )
    if len(modes) < 2:
        return None
    chosen = reference or (NO_SPECULATION if NO_SPECULATION in modes else modes[0])
    primary, *secondary = (
        _family(kept, metric, chosen, confidence, seed, pilot_blocks if metric is Metric.TPOT else None)
        for metric in (Metric.TPOT, Metric.TTFT, Metric.LATENCY)
    )
    return Comparisons(
        reference=chosen,
        modes=modes,
        confidence=confidence,
        seed=seed,
        blocks=len(kept.blocks_here),
        placebo=requests.placebo,
        primary=primary,
        secondary=tuple(family for family in secondary if family is not None),
    )


def _family(
    kept: Requests, metric: Metric, reference: str, confidence: float, seed: int, pilot_blocks: int | None
) -> Family | None:
    cells = cells_of(kept, metric)
    if cells.is_empty:
        return None
    estimates = estimate(cells.sums, confidence=confidence, seed=seed)
    found = compare_to(cells.sums, cells.modes.index(reference), confidence=confidence, seed=seed)
    if pilot_blocks is not None:
        found = widened(found, kept, cells, reference, pilot_blocks, confidence, seed)
    rows = [
        _row(mode, phase, seen, found[stratum][arm])
        for arm, mode in enumerate(cells.modes)
        for stratum, phase in enumerate(cells.phases)
        if (seen := estimates[stratum][arm]) is not None
    ]
    family = Family(metric=metric, comparisons=sum(row.to_reference is not None for row in rows), rows=tuple(rows))
    return _with_the_best(family, cells, reference, confidence, seed) if metric is Metric.TPOT else family


def _row(mode: str, phase: Phase, seen: Estimate, to_reference: LogRatio | None) -> ModeInPhase:
    return ModeInPhase(
        mode=mode,
        phase=phase,
        value_ms=seen.value,
        low_ms=seen.low,
        high_ms=seen.high,
        blocks=seen.blocks,
        method=seen.method,
        to_reference=None if to_reference is None else _difference(to_reference, found=to_reference.is_found),
    )


def _with_the_best(family: Family, cells: Cells, reference: str, confidence: float, seed: int) -> Family:
    best = {phase: _best(family, cells, phase, reference, confidence, seed) for phase in family.phases}
    fixed = [arm for arm, mode in enumerate(cells.modes) if fixed_length(mode) is not None]
    # Bonferroni over what is stated of controllers; a statement of a fixed mode is its place among the candidates.
    controllers = sum(fixed_length(row.mode) is None for row in family.rows)
    each = 1 - (1 - confidence) / max(1, controllers)

    def to_best_fixed(row: ModeInPhase) -> Difference | None:
        is_controller = fixed_length(row.mode) is None
        if not fixed or not (is_controller or family.finds_in(row.phase)):
            return None
        against = against_lowest(
            cells.sums,
            cells.phases.index(row.phase),
            cells.modes.index(row.mode),
            fixed,
            confidence=each if is_controller else confidence,
            seed=seed,
        )
        if against is None:
            return None
        stated = is_controller and against.is_found and _agrees(against, row.mode, best[row.phase])
        return _difference(against, found=stated and family.finds_in(row.phase))

    rows = tuple(row.model_copy(update={"to_best_fixed": to_best_fixed(row)}) for row in family.rows)
    return family.model_copy(update={"rows": rows, "best": tuple(one for one in best.values() if one is not None)})


def _best(family: Family, cells: Cells, phase: Phase, reference: str, confidence: float, seed: int) -> Best | None:
    modes = tuple(row.mode for row in family.rows_in(phase))
    if not family.finds_in(phase):
        has_intervals = any(row.has_interval for row in family.rows_in(phase))
        return Best(phase=phase, modes=modes, candidates=modes, winner=None) if has_intervals else None
    found = best_set(cells.sums, cells.phases.index(phase), confidence=confidence, seed=seed)
    if found is None:
        return None
    candidates = _agreeing({cells.modes[arm] for arm in found.candidates}, family.rows_in(phase), reference)
    ordered = tuple(mode for mode in modes if mode in candidates)
    return Best(phase=phase, modes=modes, candidates=ordered, winner=ordered[0] if len(ordered) == 1 else None)


def _agreeing(candidates: set[str], rows: Sequence[ModeInPhase], reference: str) -> set[str]:
    """Return the candidates such that they do not contradict what was found against the reference.

    The two rest on different critical values. Where a mode was found faster, the reference is not the best, and the
    best is not a mode that cannot be told from it. Where none was, the reference may be the best, and is so alone only
    if all others were found slower.
    """
    differences = {row.mode: row.to_reference for row in rows if row.to_reference is not None}
    faster = {mode for mode, to in differences.items() if to.found and to.percent < 0}
    slower = {mode for mode, to in differences.items() if to.found and to.percent > 0}
    left = candidates - slower
    if faster:
        left -= {reference}
        return left if left & faster else left | faster
    left |= {reference}
    return left if len(left) > 1 else set(differences) - slower | left


def _agrees(against: LogRatio, mode: str, best: Best | None) -> bool:
    """Tell whether a difference to the best fixed mode goes with the set of modes that may be the best."""
    if best is None:
        return True
    if against.value > 0:
        return mode not in best.candidates
    return not any(fixed_length(candidate) is not None for candidate in best.candidates)


def _difference(ratio: LogRatio, *, found: bool) -> Difference:
    return Difference(
        percent=_percent(ratio.value),
        low_percent=None if ratio.low is None else _percent(ratio.low),
        high_percent=None if ratio.high is None else _percent(ratio.high),
        smallest_detectable_percent=None if ratio.smallest_detectable is None else _percent(ratio.smallest_detectable),
        blocks=ratio.blocks,
        method=ratio.method,
        found=found,
    )


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(min(log_ratio, _LARGEST_LOG))
