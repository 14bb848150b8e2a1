"""What loads were measured to do, and the phase a request belongs to because of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

from halospec.records.schema import Phase

LOAD_OVERLAP = 0.5
"""A request belongs to phase ``load`` from this share of its interval on."""


@dataclass(frozen=True)
class ActivitySample:
    """One stretch of what a load was measured to do.

    Attributes
    ----------
    amount
        In the load's own unit (`halospec.contention.loads.Load.unit`), such as percent of its workers' cores. The
        operating system counts a process's CPU time in steps of about 10 ms, so a single sample of that may read a
        little over 100.
    at_work
        Whether the load did anything worth the name, however little it got of its target.
    target
        What it was meant to do in this stretch, in the same unit; ``None`` for a load without an amount.
    """

    started_ns: int
    ended_ns: int
    amount: float
    at_work: bool = True
    target: float | None = None

    def __post_init__(self) -> None:
        if self.ended_ns <= self.started_ns:
            raise ValueError(f"a sample that starts at {self.started_ns} ns cannot end at {self.ended_ns} ns")
        if not self.amount >= 0:
            raise ValueError(f"a load cannot have done {self.amount}")


@dataclass(frozen=True)
class Activity:
    """All that one load was measured to do in one trial, in order of time; gaps mean that it did not run."""

    samples: tuple[ActivitySample, ...] = ()

    def __post_init__(self) -> None:
        for earlier, later in pairwise(self.samples):
            if later.started_ns < earlier.ended_ns:
                raise ValueError(f"samples overlap or are out of order at {later.started_ns} ns")

    @property
    def first_onset_ns(self) -> int | None:
        """When the load first was at work; ``None`` if it never was."""
        return next((sample.started_ns for sample in self.samples if sample.at_work), None)

    def at_work_in(self, started_ns: int, ended_ns: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of an interval in which the load was at work."""
        for sample in self._within(started_ns, ended_ns):
            if sample.at_work:
                yield max(started_ns, sample.started_ns), min(ended_ns, sample.ended_ns)

    def amount(self, started_ns: int, ended_ns: int) -> float | None:
        """Return the time-weighted amount over an interval; ``None`` if the load did not run in it."""
        ended_ns = _end_of(started_ns, ended_ns)
        done, length_ns = 0.0, 0
        for sample in self._within(started_ns, ended_ns):
            shared_ns = min(ended_ns, sample.ended_ns) - max(started_ns, sample.started_ns)
            done += sample.amount * shared_ns
            length_ns += shared_ns
        return done / length_ns if length_ns else None

    def _within(self, started_ns: int, ended_ns: int) -> Iterator[ActivitySample]:
        first = bisect_right(self.samples, started_ns, key=lambda sample: sample.ended_ns)
        for sample in islice(self.samples, first, None):
            if sample.started_ns >= ended_ns:
                return
            yield sample


@dataclass(frozen=True)
class Activities:
    """What all loads of a trial were measured to do.

    Attributes
    ----------
    loads
        In the plan's order.
    cpu
        Workers of each load that is a CPU share, by its place in ``loads``.
    """

    loads: tuple[Activity, ...] = ()
    cpu: Mapping[int, int] = field(default_factory=dict)

    @property
    def first_onset_ns(self) -> int | None:
        """When the first of the loads was at work; ``None`` if none ever was."""
        return min((at for load in self.loads if (at := load.first_onset_ns) is not None), default=None)

    def overlap(self, started_ns: int, ended_ns: int) -> float:
        """Return the share of an interval, 0 to 1, in which at least one of the loads was at work."""
        ended_ns = _end_of(started_ns, ended_ns)
        covered_ns, reached_ns = 0, started_ns
        for begins_ns, ends_ns in sorted(s for load in self.loads for s in load.at_work_in(started_ns, ended_ns)):
            covered_ns += max(0, ends_ns - max(begins_ns, reached_ns))
            reached_ns = max(reached_ns, ends_ns)
        return covered_ns / (ended_ns - started_ns)

    def cpu_percent(self, started_ns: int, ended_ns: int) -> float | None:
        """Return the CPU percent that burners got of their cores in an interval; ``None`` if there were none."""
        got = {
            place: amount
            for place in self.cpu
            if (amount := self.loads[place].amount(started_ns, ended_ns)) is not None
        }
        workers = sum(self.cpu[place] for place in got)
        return sum(self.cpu[place] * amount for place, amount in got.items()) / workers if got else None


def phase_of(activities: Activities, started_ns: int, ended_ns: int, *, load_seen: bool = False) -> Phase:
    """Return the phase of a measured request.

    ``load`` if a load was at work in at least half of its interval; otherwise ``steady`` if it started before any
    first was, or none ever was; otherwise ``recovery``.

    Parameters
    ----------
    load_seen
        Whether the trial had load before ``activities`` begin, in a run that was cut short and goes on.
    """
    if activities.overlap(started_ns, ended_ns) >= LOAD_OVERLAP:
        return Phase.LOAD
    onset_ns = activities.first_onset_ns
    before_load = onset_ns is None or started_ns < onset_ns
    return Phase.STEADY if before_load and not load_seen else Phase.RECOVERY


def _end_of(started_ns: int, ended_ns: int) -> int:
    if ended_ns < started_ns:
        raise ValueError(f"an interval that starts at {started_ns} ns cannot end at {ended_ns} ns")
    # An instant counts as one nanosecond, so that it too is either in or out of a sample.
    return max(ended_ns, started_ns + 1)
