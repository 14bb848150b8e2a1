"""What load burners were measured to do, and the phase a request belongs to because of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from halospec.records.schema import Phase

AT_WORK_PERCENT = 1.0
"""Burners that got more than this were at work; far below any target, since phases follow activity, not success."""

LOAD_OVERLAP = 0.5
"""A request belongs to phase ``load`` from this share of its interval on."""


@dataclass(frozen=True)
class ActivitySample:
    """One stretch of measured burner activity.

    Attributes
    ----------
    cpu_percent
        CPU time all burners got / (length of the stretch x workers) x 100. The operating system counts a
        process's CPU time in steps of about 10 ms, so a single sample may read a little over 100.
    """

    started_ns: int
    ended_ns: int
    cpu_percent: float

    def __post_init__(self) -> None:
        if self.ended_ns <= self.started_ns:
            raise ValueError(f"a sample that starts at {self.started_ns} ns cannot end at {self.ended_ns} ns")
        if not self.cpu_percent >= 0:
            raise ValueError(f"burners cannot have got {self.cpu_percent} % of the CPU")

    @property
    def at_work(self) -> bool:
        """Whether the burners did anything worth the name."""
        return self.cpu_percent > AT_WORK_PERCENT


@dataclass(frozen=True)
class Activity:
    """All that the burners were measured to do in one trial, in order of time; gaps mean no burners."""

    samples: tuple[ActivitySample, ...] = ()

    def __post_init__(self) -> None:
        for earlier, later in pairwise(self.samples):
            if later.started_ns < earlier.ended_ns:
                raise ValueError(f"samples overlap or are out of order at {later.started_ns} ns")

    @property
    def first_onset_ns(self) -> int | None:
        """When the burners first were at work; ``None`` if they never were."""
        return next((sample.started_ns for sample in self.samples if sample.at_work), None)

    def overlap(self, started_ns: int, ended_ns: int) -> float:
        """Return the share of an interval, 0 to 1, in which the burners were at work."""
        length_ns = _length_ns(started_ns, ended_ns)
        shared = self._shared(started_ns, started_ns + length_ns)
        return sum(shared_ns for sample, shared_ns in shared if sample.at_work) / length_ns

    def percent(self, started_ns: int, ended_ns: int) -> float | None:
        """Return the time-weighted CPU percent that burners got in an interval; ``None`` if there were none."""
        shared = list(self._shared(started_ns, started_ns + _length_ns(started_ns, ended_ns)))
        if not shared:
            return None
        return sum(sample.cpu_percent * ns for sample, ns in shared) / sum(ns for _, ns in shared)

    def _shared(self, started_ns: int, ended_ns: int) -> Iterator[tuple[ActivitySample, int]]:
        first = bisect_right(self.samples, started_ns, key=lambda sample: sample.ended_ns)
        for sample in islice(self.samples, first, None):
            if sample.started_ns >= ended_ns:
                return
            yield sample, min(ended_ns, sample.ended_ns) - max(started_ns, sample.started_ns)


def phase_of(activity: Activity, started_ns: int, ended_ns: int, *, load_seen: bool = False) -> Phase:
    """Return the phase of a measured request.

    ``load`` if the burners were at work in at least half of its interval; otherwise ``steady`` if it started
    before they first were, or they never were; otherwise ``recovery``.

    Parameters
    ----------
    load_seen
        Whether the trial had load before ``activity`` begins, in a run that was cut short and goes on.
    """
    if activity.overlap(started_ns, ended_ns) >= LOAD_OVERLAP:
        return Phase.LOAD
    onset_ns = activity.first_onset_ns
    before_load = onset_ns is None or started_ns < onset_ns
    return Phase.STEADY if before_load and not load_seen else Phase.RECOVERY


def _length_ns(started_ns: int, ended_ns: int) -> int:
    if ended_ns < started_ns:
        raise ValueError(f"an interval that starts at {started_ns} ns cannot end at {ended_ns} ns")
    # An instant counts as one nanosecond, so that it too is either in or out of a sample.
    return max(ended_ns - started_ns, 1)
