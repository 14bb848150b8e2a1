"""What loads did on the machine, beside what was asked of them, by mode and phase."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Self

import numpy as np

from halospec.analysis.requests import Floats, Ints, Requests
from halospec.analysis.telemetry_data import BEYOND_BELIEF
from halospec.analysis.value import Value
from halospec.records.loads import InjectedLoad, LoadReport
from halospec.records.schema import Phase


@dataclass(frozen=True, eq=False)
class LoadCourse:
    """What one load was measured to do, stretch by stretch, in order of time; shape (n,) each.

    Attributes
    ----------
    name, unit
        As in ``load.jsonl``.
    offered
        At full level; ``None`` for a load without an amount, or where trials differ.
    trials
        In which it ran.
    target
        NaN for a load without an amount.
    """

    name: str
    unit: str
    offered: float | None
    trials: int
    started_ns: Ints
    ended_ns: Ints
    amount: Floats
    target: Floats

    def __len__(self) -> int:
        return len(self.started_ns)

    def within(self, started_ns: int, ended_ns: int) -> Self:
        """Return the stretches that lie in an interval, or partly."""
        kept = (self.ended_ns > started_ns) & (self.started_ns < ended_ns)
        return replace(
            self,
            started_ns=self.started_ns[kept],
            ended_ns=self.ended_ns[kept],
            amount=self.amount[kept],
            target=self.target[kept],
        )


class LoadTotal(Value):
    """One load over all of the run.

    Attributes
    ----------
    load, unit
        As the command line spells it, and of its amounts.
    offered
        At full level; ``None`` for a load without an amount.
    trials, seconds
        In which it ran, and for how long in all.
    target, achieved
        Means over that time. ``target`` is what its profile asked for meanwhile.
    """

    load: str
    unit: str
    offered: float | None
    trials: int
    seconds: float
    target: float | None
    achieved: float | None


class LoadDuring(Value):
    """One load during the measured requests of one mode in one phase, failed ones among them.

    Attributes
    ----------
    requests
        All of them.
    on_share
        Of their time, 0 to 1, in which it was on.
    target, achieved
        Means over that time.
    """

    load: str
    unit: str
    mode: str
    phase: Phase
    requests: int
    on_share: float
    target: float | None
    achieved: float


class LoadsAchieved(Value):
    """The loads of a run, in the order in which they first ran."""

    totals: tuple[LoadTotal, ...]
    during: tuple[LoadDuring, ...]


def courses(reports: Iterable[LoadReport]) -> tuple[LoadCourse, ...]:
    """Return each load that ever ran, over all trials."""
    ran = sorted((load for report in reports for load in report.loads if load.samples), key=_began_at)
    names = list(dict.fromkeys((load.name, load.unit) for load in ran))
    by_name = sorted(ran, key=lambda load: names.index((load.name, load.unit)))
    made = (_course(list(same)) for _, same in groupby(by_name, key=lambda load: (load.name, load.unit)))
    return tuple(course for course in made if len(course))


def loads_achieved(requests: Requests, reports: Sequence[LoadReport]) -> LoadsAchieved | None:
    """Return what each load did; ``None`` where none ever ran."""
    found = courses(reports)
    if not found:
        return None
    return LoadsAchieved(
        totals=tuple(map(_total, found)),
        during=tuple(
            during
            for course in found
            for mode, phase, seen in requests.measured.by_mode_and_phase()
            if (during := _during(course, mode, phase, seen)) is not None
        ),
    )


def _began_at(load: InjectedLoad) -> int:
    return load.samples[0][0]


def _course(loads: Sequence[InjectedLoad]) -> LoadCourse:
    samples = sorted(sample for load in loads for sample in load.samples)
    started_ns, ended_ns = (np.array([sample[place] for sample in samples], dtype=np.int64) for place in (0, 1))
    amount = np.array([sample[2] for sample in samples], dtype=np.float64)
    target = np.array([math.nan if sample[3] is None else sample[3] for sample in samples], dtype=np.float64)
    # Nothing but a damaged file has stretches that overlap; a moment would count twice.
    ended_ns[:-1] = np.minimum(ended_ns[:-1], started_ns[1:])
    kept = (ended_ns > started_ns) & (amount < BEYOND_BELIEF)
    offered = {load.offered for load in loads}
    return LoadCourse(
        name=loads[0].name,
        unit=loads[0].unit,
        offered=offered.pop() if len(offered) == 1 else None,
        trials=len(loads),
        started_ns=started_ns[kept],
        ended_ns=ended_ns[kept],
        amount=amount[kept],
        target=target[kept],
    )


def _total(course: LoadCourse) -> LoadTotal:
    lengths_s = (course.ended_ns - course.started_ns) / 1e9
    return LoadTotal(
        load=course.name,
        unit=course.unit,
        offered=course.offered,
        trials=course.trials,
        seconds=float(lengths_s.sum()),
        target=_known(float(np.average(course.target, weights=lengths_s))),
        achieved=float(np.average(course.amount, weights=lengths_s)),
    )


def _during(course: LoadCourse, mode: str, phase: Phase, requests: Requests) -> LoadDuring | None:
    started_ns, ended_ns = requests.started_ns, requests.ended_ns
    on_s = _sum_in(course, np.ones(len(course)), started_ns, ended_ns)
    lasted_s = float(np.sum(ended_ns - started_ns)) / 1e9
    if not on_s or not lasted_s:
        return None
    achieved = _sum_in(course, course.amount, started_ns, ended_ns) / on_s
    target = _known(_sum_in(course, course.target, started_ns, ended_ns) / on_s)
    return LoadDuring(
        load=course.name,
        unit=course.unit,
        mode=mode,
        phase=phase,
        requests=len(requests),
        on_share=on_s / lasted_s,
        target=target,
        achieved=achieved,
    )


def _sum_in(course: LoadCourse, values: Floats, started_ns: Ints, ended_ns: Ints) -> float:
    """Return the integral of a value over the seconds that intervals share with the stretches."""
    edges = np.stack([course.started_ns, course.ended_ns], axis=1).ravel()
    grown = np.stack([np.zeros(len(values)), values * (course.ended_ns - course.started_ns) / 1e9], axis=1).ravel()
    total = np.cumsum(grown)
    origin = edges[0]
    summed = np.interp(ended_ns - origin, edges - origin, total) - np.interp(started_ns - origin, edges - origin, total)
    return float(summed.sum())


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
