"""Loads: what they did, beside what was asked of them."""

from __future__ import annotations

import pytest

from halospec.analysis.load_achieved import courses, loads_achieved
from halospec.analysis.loading import requests_of
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import Phase
from telemetry_by_hand import SECOND, between

CPU = "cpu:75%"
MEMORY = "memory:4GB/s"


def load(name: str, *samples: tuple[float, float, float, float | None], unit: str = "%", offered: float | None = 75.0):
    return InjectedLoad(
        name=name,
        kind=LoadKind(name.split(":")[0]),
        unit=unit,
        workers=1,
        offered=offered,
        samples=tuple(
            (round(start * SECOND), round(end * SECOND), amount, target, True) for start, end, amount, target in samples
        ),
    )


def test_a_total_is_a_mean_over_the_time_that_the_load_was_on(make_record):
    reports = [
        LoadReport(block=1, mode="fixed_2", loads=(load(CPU, (10, 11, 80, 75), (11, 14, 60, 75)),)),
        LoadReport(block=2, mode="fixed_2", loads=(load(CPU, (50, 52, 75, 30)),)),
        LoadReport(block=3, mode="fixed_2", loads=(load(CPU),)),
    ]
    (total,) = loads_achieved(requests_of([make_record()]), reports).totals
    assert (total.load, total.unit, total.offered, total.trials, total.seconds) == (CPU, "%", 75, 2, 6)
    assert total.achieved == pytest.approx((80 + 3 * 60 + 2 * 75) / 6)
    assert total.target == pytest.approx((4 * 75 + 2 * 30) / 6)


def test_during_requests_only_their_own_time_counts(make_record):
    reports = [LoadReport(block=1, mode="x", loads=(load(CPU, (10, 11, 80, 75), (11, 12, 40, 75), (14, 15, 10, 50)),))]
    records = [
        between(make_record(), 5, 9),
        between(make_record(phase=Phase.LOAD, step=2), 10.5, 11.5),
        between(make_record(phase=Phase.LOAD, step=3), 13.5, 14.5),
    ]
    found = loads_achieved(requests_of(records), reports)
    (during,) = found.during
    assert (during.mode, during.phase, during.requests) == ("fixed_2", Phase.LOAD, 2)
    assert during.on_share == pytest.approx(0.75)
    assert during.achieved == pytest.approx((0.5 * 80 + 0.5 * 40 + 0.5 * 10) / 1.5)
    assert during.target == pytest.approx((1.0 * 75 + 0.5 * 50) / 1.5)


def test_loads_of_several_kinds_stand_side_by_side_each_in_its_unit(make_record):
    reports = [
        LoadReport(
            block=1,
            mode="fixed_2",
            loads=(
                load(CPU, (0, 1, 75, 75)),
                load(MEMORY, (0, 1, 3.9, 4), unit="GB/s", offered=4),
                load("process:stress-ng --vm 1", (0, 1, 150, None), unit="% of a core", offered=None),
            ),
        )
    ]
    found = loads_achieved(requests_of([between(make_record(phase=Phase.LOAD), 0, 1)]), reports)
    assert [(total.load, total.unit, total.target) for total in found.totals] == [
        (CPU, "%", 75),
        (MEMORY, "GB/s", 4),
        ("process:stress-ng --vm 1", "% of a core", None),
    ]
    assert [during.achieved for during in found.during] == [75, 3.9, 150]


def test_without_a_load_that_ran_nothing_is_said(make_record):
    assert loads_achieved(requests_of([make_record()]), []) is None
    assert loads_achieved(requests_of([make_record()]), [LoadReport(block=1, mode="x", loads=(load(CPU),))]) is None


def test_stretches_of_a_damaged_file_do_not_count_twice():
    (course,) = courses([LoadReport(block=1, mode="x", loads=(load(CPU, (0, 3, 10, 75), (1, 2, 20, 75)),))])
    assert (course.started_ns / SECOND).tolist() == [0, 1]
    assert (course.ended_ns / SECOND).tolist() == [1, 2]
