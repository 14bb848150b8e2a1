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

    def averaged(self, least_ns: int) -> Self:
        """Return means over stretches of at least this length, of equal length from one pause of the load to the next.

        Single samples are noisy: a system counts CPU time in steps of 10 ms or so, and workers report what they did
        every 20 ms. Where the load was on for less, the mean is over all of that time.
        """
        pauses = np.flatnonzero(self.started_ns[1:] - self.ended_ns[:-1] > least_ns // 2) + 1
        began = self.started_ns[np.concatenate([[0], pauses])]
        ended = np.append(self.ended_ns[pauses - 1], self.ended_ns[-1:])
        counts = np.maximum((ended - began) // least_ns, 1)
        edges = [
            first + (last - first) * np.arange(count + 1) // count
            for first, last, count in zip(began.tolist(), ended.tolist(), counts.tolist(), strict=True)
        ]
        started_ns = np.concatenate([of_run[:-1] for of_run in edges])
        ended_ns = np.concatenate([of_run[1:] for of_run in edges])

        def mean(values: Floats) -> Floats:
            return _integrals(self, values, started_ns, ended_ns) / on_s

        on_s = _integrals(self, np.ones(len(self)), started_ns, ended_ns)
        return replace(
            self, started_ns=started_ns, ended_ns=ended_ns, amount=mean(self.amount), target=mean(self.target)
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
    ended_early
        What is known of workers that ended by themselves, a text for each trial in which some did.
    """

    load: str
    unit: str
    offered: float | None
    trials: int
    seconds: float
    target: float | None
    achieved: float | None
    ended_early: tuple[str, ...] = ()


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
    """Return what each load did; ``None`` where none ever ran. Trials that were begun anew count from there."""
    reports = _of_last_attempts(reports)
    found = courses(reports)
    if not found:
        return None
    return LoadsAchieved(
        totals=tuple(_total(course, _early_ends(course, reports)) for course in found),
        during=tuple(
            during
            for course in found
            for mode, phase, seen in requests.measured.by_mode_and_phase()
            if (during := _during(course, mode, phase, seen)) is not None
        ),
    )


def _of_last_attempts(reports: Sequence[LoadReport]) -> tuple[LoadReport, ...]:
    last: dict[str | None, int] = {}
    for report in reports:
        last[report.trial_id] = max(report.trial_attempt, last.get(report.trial_id, 1))
    return tuple(one for one in reports if one.trial_id is None or one.trial_attempt == last[one.trial_id])


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


def _early_ends(course: LoadCourse, reports: Iterable[LoadReport]) -> tuple[str, ...]:
    return tuple(
        load.ended_early
        for report in reports
        for load in report.loads
        if (load.name, load.unit) == (course.name, course.unit) and load.samples and load.ended_early is not None
    )


def _total(course: LoadCourse, ended_early: tuple[str, ...]) -> LoadTotal:
    lengths_s = (course.ended_ns - course.started_ns) / 1e9
    return LoadTotal(
        load=course.name,
        unit=course.unit,
        offered=course.offered,
        trials=course.trials,
        seconds=float(lengths_s.sum()),
        target=_known(float(np.average(course.target, weights=lengths_s))),
        achieved=float(np.average(course.amount, weights=lengths_s)),
        ended_early=ended_early,
    )


def _during(course: LoadCourse, mode: str, phase: Phase, requests: Requests) -> LoadDuring | None:
    def summed(values: Floats) -> float:
        return float(_integrals(course, values, requests.started_ns, requests.ended_ns).sum())

    on_s = summed(np.ones(len(course)))
    lasted_s = float(np.sum(requests.ended_ns - requests.started_ns)) / 1e9
    if not on_s or not lasted_s:
        return None
    return LoadDuring(
        load=course.name,
        unit=course.unit,
        mode=mode,
        phase=phase,
        requests=len(requests),
        # Sums of differences may be off by the last digit.
        on_share=min(on_s / lasted_s, 1.0),
        target=_known(summed(course.target) / on_s),
        achieved=summed(course.amount) / on_s,
    )


def _integrals(course: LoadCourse, values: Floats, started_ns: Ints, ended_ns: Ints) -> Floats:
    """Return the integral of a value over the seconds that each interval shares with the stretches."""
    edges = np.stack([course.started_ns, course.ended_ns], axis=1).ravel()
    grown = np.stack([np.zeros(len(values)), values * (course.ended_ns - course.started_ns) / 1e9], axis=1).ravel()
    total = np.cumsum(grown)
    origin = edges[0]
    until_end, until_start = (np.interp(moments - origin, edges - origin, total) for moments in (ended_ns, started_ns))
    integrals: Floats = until_end - until_start
    return integrals


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
