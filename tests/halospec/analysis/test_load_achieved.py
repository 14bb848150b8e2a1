"""Loads: what they did, beside what was asked of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from halospec.analysis.load_achieved import courses, loads_achieved
from halospec.analysis.loading import requests_of
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import Phase
from telemetry_by_hand import SECOND, between

CPU = "cpu:75%"
MEMORY = "memory:4GB/s"


def load(
    name: str,
    *samples: tuple[float, float, float, float | None],
    unit: str = "%",
    offered: float | None = 75.0,
    ended_early: str | None = None,
):
    return InjectedLoad(
        name=name,
        kind=LoadKind(name.split(":")[0]),
        unit=unit,
        workers=1,
        offered=offered,
        ended_early=ended_early,
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


def test_the_share_of_time_on_is_never_more_than_all_of_it(make_record):
    edges = np.linspace(7, 31, 997)
    samples = tuple((start, end, 50.0, 75.0) for start, end in pairwise(edges))
    records = [between(make_record(phase=Phase.LOAD, step=step), 7 + step / 3, 7.3 + step / 3) for step in range(1, 61)]
    (during,) = loads_achieved(
        requests_of(records), [LoadReport(block=1, mode="x", loads=(load(CPU, *samples),))]
    ).during
    assert 0.999999 < during.on_share <= 1


def test_means_over_stretches_keep_the_amount_and_its_time():
    samples = [(10 + 0.05 * place, 10.05 + 0.05 * place, 40.0 + 20 * (place % 2), 75.0) for place in range(23)]
    (course,) = courses([LoadReport(block=1, mode="x", loads=(load(CPU, *samples),))])
    means = course.averaged(SECOND // 2)
    lengths_s = (means.ended_ns - means.started_ns) / SECOND
    assert lengths_s == pytest.approx([0.575, 0.575])
    # By hand: eleven samples and half of the twelfth, which is a high one.
    assert means.amount == pytest.approx([(6 * 40 + 5.5 * 60) / 11.5, (6 * 40 + 5.5 * 60) / 11.5])
    assert means.target == pytest.approx([75, 75])
    assert means.amount @ lengths_s == pytest.approx(course.amount.sum() * 0.05)


def test_samples_of_different_lengths_weigh_as_much_as_they_last():
    (course,) = courses([LoadReport(block=1, mode="x", loads=(load(CPU, (0, 0.1, 100, 80), (0.1, 0.6, 10, 20)),))])
    means = course.averaged(SECOND // 2)
    assert means.amount == pytest.approx([(0.1 * 100 + 0.5 * 10) / 0.6])
    assert means.target == pytest.approx([(0.1 * 80 + 0.5 * 20) / 0.6])


def test_no_mean_reaches_over_a_pause_of_the_load_and_a_short_one_is_one_mean():
    (course,) = courses(
        [LoadReport(block=1, mode="x", loads=(load(CPU, (0, 1, 80, 75), (5, 5.2, 20, None), (9, 10, 60, 75)),))]
    )
    means = course.averaged(SECOND // 2)
    assert (means.started_ns / SECOND).tolist() == [0, 0.5, 5, 9, 9.5]
    assert (means.ended_ns / SECOND).tolist() == [0.5, 1, 5.2, 9.5, 10]
    assert means.amount == pytest.approx([80, 80, 20, 60, 60])


def test_early_ends_are_kept_for_each_trial_that_had_one(make_record):
    def report(block: int, *loads: InjectedLoad) -> LoadReport:
        return LoadReport(block=block, mode="x", loads=loads)

    reports = [
        LoadReport(
            block=1, mode="x", loads=(load(CPU, (0, 1, 75, 75)), load(MEMORY, (0, 1, 4, 4), ended_early="full"))
        ),
        LoadReport(
            block=2, mode="x", loads=(load(CPU, (5, 6, 75, 75)), load(MEMORY, (5, 6, 4, 4), ended_early="gone"))
        ),
    ]
    cpu, memory = loads_achieved(requests_of([make_record()]), reports).totals
    assert cpu.ended_early == ()
    assert memory.ended_early == ("full", "gone")


def test_a_trial_that_was_begun_anew_counts_from_there(make_record):
    def part(attempt: int, percent: float) -> LoadReport:
        ran = load(CPU, (10.0 * attempt, 10.0 * attempt + 1, percent, 75))
        return LoadReport(block=1, mode="x", loads=(ran,), trial_id="a", trial_attempt=attempt)

    other = LoadReport(block=1, mode="y", loads=(load(CPU, (50, 51, 60, 75)),), trial_id="b")

    (total,) = loads_achieved(requests_of([make_record()]), [part(1, 10), part(2, 70), other]).totals

    assert (total.trials, total.seconds) == (2, 2)
    assert total.achieved == pytest.approx(65)
