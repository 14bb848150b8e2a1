"""Conditions on a comparison, such as ``tpot_ms > +5%``: which rows clear them, beyond what chance explains.

Grammar: ``[MODE/][PHASE/]METRIC (>|<|>=|<=) [+-]N[%]``. With ``%`` it is about the change against the baseline, without
about the candidate's own value in the metric's unit. The interval that decides is the one that the comparison shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from halospec.analysis.printable import printable
from halospec.analysis.value import Value
from halospec.compare.metrics import ComparedMetric
from halospec.compare.values import Comparison, Row, RunComparison
from halospec.records.schema import MEASURED_PHASES, Phase

_EXAMPLE = "'tpot_ms > +5%', 'fixed_2/load/ttft_ms > 400' or 'acceptance < 0.5'"
_CONDITION = re.compile(
    r"(?:(?P<place>.*)/)?(?P<metric>\w+)\s*(?P<operator>>=|<=|>|<)\s*"
    r"(?P<bound>[+-]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12}))\s*(?P<percent>%?)",
    re.ASCII,
)
_DECIMALS = 9
"""A bound that is met exactly is not exceeded by the last bits of a logarithm."""


class Operator(StrEnum):
    """What a condition calls a failure."""

    ABOVE = ">"
    BELOW = "<"
    AT_LEAST = ">="
    AT_MOST = "<="

    def holds(self, value: float, bound: float) -> bool:
        """Compare two numbers, equal if they differ by no more than rounding."""
        difference = round(value - bound, _DECIMALS)
        match self:
            case Operator.ABOVE:
                return difference > 0
            case Operator.BELOW:
                return difference < 0
            case Operator.AT_LEAST:
                return difference >= 0
            case Operator.AT_MOST:
                return difference <= 0

    @property
    def is_upward(self) -> bool:
        """Whether large values fail."""
        return self in (Operator.ABOVE, Operator.AT_LEAST)


class Condition(Value):
    """What fails the gate.

    Attributes
    ----------
    text
        As the user wrote it.
    mode, phase
        ``None`` for each one that both runs have.
    bound
        In percent of change, or in the metric's unit.
    """

    text: str
    mode: str | None
    phase: Phase | None
    metric: ComparedMetric
    operator: Operator
    bound: float
    is_change: bool

    def is_about(self, row: Row) -> bool:
        """Whether it judges a row."""
        return (
            row.metric is self.metric
            and self.mode in (None, row.mode)
            and (self.phase is None or row.phase is self.phase)
        )


class Outcome(StrEnum):
    """What became of a row under a condition."""

    FAILED = "failed"
    PASSED = "passed"
    CANNOT_TELL = "cannot_tell"
    """The interval holds the bound, or there is none: the gate lets it pass."""


class JudgedRow(Value):
    """A row under a condition.

    Attributes
    ----------
    value, low, high
        What was compared with the bound, in the bound's unit; ``None`` where there is none.
    """

    candidate: str
    mode: str
    phase: Phase
    outcome: Outcome
    value: float | None
    low: float | None
    high: float | None


class JudgedCondition(Value):
    """A condition and the rows that it judges."""

    condition: Condition
    rows: tuple[JudgedRow, ...]

    def of_outcome(self, outcome: Outcome) -> tuple[JudgedRow, ...]:
        """Return the rows that came to this."""
        return tuple(row for row in self.rows if row.outcome is outcome)


class GateReport(Value):
    """All conditions, judged.

    Attributes
    ----------
    on_estimates
        Whether estimates were compared with the bounds, and not their intervals.
    silent
        Where the baseline answered and every request of a candidate failed: no condition can pass over that.
    """

    on_estimates: bool
    conditions: tuple[JudgedCondition, ...]
    silent: tuple[str, ...] = ()

    @property
    def is_failed(self) -> bool:
        """Whether any row fails any condition, or a candidate answered nothing where the baseline did."""
        return bool(self.silent) or any(judged.of_outcome(Outcome.FAILED) for judged in self.conditions)


class GatedComparison(Value):
    """A comparison and what the gate says of it; ``None`` where nothing was to fail."""

    comparison: RunComparison
    gate: GateReport | None


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    ValueError
        If it is none; the message shows examples.
    """
    shown = printable(text, limit=80)
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"--fail-if {shown!r} is not a condition; write one like {_EXAMPLE}.")
    names = [metric.value for metric in ComparedMetric]
    if found["metric"] not in names:
        raise ValueError(f"--fail-if {shown!r} names no metric; there are {', '.join(names)}.")
    if found["bound"][0] in "+-" and not found["percent"]:
        raise ValueError(
            f"--fail-if {shown!r} has a sign and no %: write '{found['bound']}%' for a change against the baseline, or"
            f" '{found['bound'][1:]}' for the candidate's own value, as in {_EXAMPLE}."
        )
    mode, phase = _place(found["place"], shown)
    return Condition(
        text=text.strip(),
        mode=mode,
        phase=phase,
        metric=ComparedMetric(found["metric"]),
        operator=Operator(found["operator"]),
        bound=float(found["bound"]),
        is_change=bool(found["percent"]),
    )


def judge(comparison: RunComparison, conditions: Sequence[Condition], *, on_estimates: bool = False) -> GateReport:
    """Hold conditions against a comparison.

    Parameters
    ----------
    on_estimates
        Fail where the estimate is beyond the bound, however wide its interval.

    Raises
    ------
    ValueError
        If a condition is about a mode, phase or metric that a candidate and the baseline do not both have.
    """
    return GateReport(
        on_estimates=on_estimates,
        conditions=tuple(
            JudgedCondition(
                condition=condition,
                rows=tuple(
                    _judged(condition, one.candidate, row, on_estimates)
                    for one in comparison.comparisons
                    for row in _rows(condition, one, comparison.baseline)
                ),
            )
            for condition in conditions
        ),
        silent=tuple(f"{one.candidate}: {place}" for one in comparison.comparisons for place in one.silent),
    )


def _place(text: str | None, shown: str) -> tuple[str | None, Phase | None]:
    if text is None:
        return None, None
    *before, last = text.strip().split("/")
    phases = {phase.value: phase for phase in MEASURED_PHASES}
    phase = phases.get(last)
    mode = "/".join(before) if phase is not None else text.strip()
    if mode == "" and (before or phase is None):
        raise ValueError(f"--fail-if {shown!r} leaves the mode or phase before a slash empty; write {_EXAMPLE}.")
    return mode or None, phase


def _rows(condition: Condition, comparison: Comparison, baseline: str) -> list[Row]:
    rows = [row for row in comparison.rows if condition.is_about(row)]
    if rows:
        return rows
    there = sorted({f"{row.mode}/{row.phase}" for row in comparison.of_metric(condition.metric)})
    has = f"they share it in {printable(', '.join(there), limit=200)}" if there else "no mode of theirs has that metric"
    raise ValueError(
        f"--fail-if {printable(condition.text, limit=80)!r} is about nothing that {baseline} and"
        f" {comparison.candidate} both have; {has}."
    )


def _judged(condition: Condition, candidate: str, row: Row, on_estimates: bool) -> JudgedRow:
    if condition.is_change:
        change = row.change
        numbers = (change.percent, change.low_percent, change.high_percent) if change else (None, None, None)
    else:
        numbers = (row.candidate.value, row.candidate.low, row.candidate.high)
    value, low, high = numbers
    return JudgedRow(
        candidate=candidate,
        mode=row.mode,
        phase=row.phase,
        outcome=_outcome(condition, value, value, value) if on_estimates else _outcome(condition, value, low, high),
        value=value,
        low=low,
        high=high,
    )


def _outcome(condition: Condition, value: float | None, low: float | None, high: float | None) -> Outcome:
    """Judge an interval; one without a highest value has no end on that side."""
    if value is None or low is None:
        return Outcome.CANNOT_TELL
    innermost, outermost = (low, high) if condition.operator.is_upward else (high, low)
    if innermost is not None and condition.operator.holds(innermost, condition.bound):
        return Outcome.FAILED
    if outermost is not None and not condition.operator.holds(outermost, condition.bound):
        return Outcome.PASSED
    return Outcome.CANNOT_TELL
