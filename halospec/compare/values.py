"""What a comparison of runs comes to."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime

from halospec.analysis.slo import Slo
from halospec.analysis.value import Value
from halospec.compare.metrics import ComparedMetric
from halospec.records.schema import Phase

COMPARISON_VERSION = 1


class Method(StrEnum):
    """How the interval of a change was made.

    ``T_ON_BLOCKS``, ``BOOTSTRAP``: on the log ratios of paired cells (halospec.inference). ``WELCH``: Welch's t on the
    blocks' logarithms, of runs that are not paired. ``SHARES``: from the two shares' own intervals.
    """

    T_ON_BLOCKS = "t_on_blocks"
    BOOTSTRAP = "bootstrap"
    WELCH = "welch"
    SHARES = "shares"


class Finding(StrEnum):
    """What the interval of a change says."""

    BETTER = "better"
    WORSE = "worse"
    NOTHING = "nothing"
    """No change was found: the interval holds 0."""
    UNKNOWN = "unknown"
    """There is no interval."""


class Level(Value):
    """A metric of one run in the metric's own unit.

    Attributes
    ----------
    low, high
        Together with the metric's other levels; ``None`` where there is no interval.
    """

    value: float
    low: float | None
    high: float | None
    blocks: int


class Change(Value):
    """A metric of the candidate against the baseline's, in percent: 5 is 5 % more.

    Attributes
    ----------
    low_percent, high_percent
        Together with the metric's other changes. Both are ``None`` where there is no interval; a highest alone is
        ``None`` where it is beyond all numbers.
    smallest_detectable_percent
        The increase that runs of this size would have found with 80 % power.
    blocks
        Of the run that has fewer; those that both hold where they are paired.
    note
        Why there is no interval although there are blocks enough.
    """

    percent: float
    low_percent: float | None
    high_percent: float | None
    smallest_detectable_percent: float | None
    blocks: int
    method: Method | None
    note: str | None = None


class Row(Value):
    """A metric of a mode in a phase, of both runs.

    Attributes
    ----------
    change
        ``None`` where the baseline's value is 0, or the runs have no cell in common.
    """

    metric: ComparedMetric
    mode: str
    phase: Phase
    baseline: Level
    candidate: Level
    change: Change | None

    @property
    def finding(self) -> Finding:
        """What the change's interval says."""
        change = self.change
        if change is None or change.low_percent is None:
            return Finding.UNKNOWN
        if change.low_percent > 0:
            return Finding.BETTER if self.metric.higher_is_better else Finding.WORSE
        if change.high_percent is not None and change.high_percent < 0:
            return Finding.WORSE if self.metric.higher_is_better else Finding.BETTER
        return Finding.NOTHING


class Pairing(Value):
    """Whether two runs' requests can be compared one by one, and why, as the end of a sentence."""

    is_paired: bool
    reason: str


class Comparison(Value):
    """One run against the baseline.

    Attributes
    ----------
    unmatched_cells
        Of paired runs: cells of block, prompt, mode and phase that only one of them has; they are in no change.
    only_in_baseline, only_in_candidate
        Modes that the other run lacks, and ``fixed_2 in load`` where it has the mode and not in that phase.
    silent
        ``fixed_2 in load`` where the baseline answered and every request of this run failed.
    """

    candidate: str
    pairing: Pairing
    unmatched_cells: int
    only_in_baseline: tuple[str, ...]
    only_in_candidate: tuple[str, ...]
    silent: tuple[str, ...] = ()
    rows: tuple[Row, ...]

    def of_metric(self, metric: ComparedMetric) -> tuple[Row, ...]:
        """Return the rows of one metric."""
        return tuple(row for row in self.rows if row.metric is metric)


class RunFacts(Value):
    """What was compared.

    Attributes
    ----------
    requests, failures
        Measured ones.
    """

    name: str
    path: str
    started_at: AwareDatetime | None
    halospec: str | None
    model: str | None
    blocks: int
    requests: int
    failures: int
    placebo: bool


class RunComparison(Value):
    """Runs compared with a baseline.

    Attributes
    ----------
    runs
        The baseline first.
    cautions
        A sentence each: what else may be behind a difference.
    """

    version: int = COMPARISON_VERSION
    confidence: float
    seed: int
    placebo: bool
    slo: Slo | None
    metrics: tuple[ComparedMetric, ...]
    runs: tuple[RunFacts, ...]
    cautions: tuple[str, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def baseline(self) -> str:
        """The name of the run that the others are compared with."""
        return self.runs[0].name
