"""The CUSUM chart, worked by hand with slack 0.75 and an alarm at 4."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.controllers.cost_model.cusum import Cusum


def test_deviations_within_the_slack_never_add_up() -> None:
    chart = Cusum(slack=0.75, alarm_at=4.0)

    assert not any(chart.add(z) for z in (0.7, 0.75, -0.75, 0.5) * 50)
    assert (chart.up, chart.down, chart.run) == (0.0, 0.0, 0)


def test_a_shift_of_two_standard_deviations_is_found_in_the_fourth_value() -> None:
    chart = Cusum(slack=0.75, alarm_at=4.0)

    assert [chart.add(2.0) for _ in range(4)] == [False, False, False, True]
    assert chart.up == pytest.approx(5.0)
    assert chart.run == 4


def test_a_fall_is_found_like_a_rise() -> None:
    chart = Cusum(slack=0.75, alarm_at=4.0)

    assert [chart.add(-2.0) for _ in range(4)] == [False, False, False, True]
    assert chart.down > chart.up


def test_no_single_value_raises_an_alarm_however_large() -> None:
    chart = Cusum(slack=0.75, alarm_at=4.0)

    assert not chart.add(1000.0)
    assert chart.level == pytest.approx(3.25)
    assert chart.add(2.0)


def test_the_run_counts_values_since_the_chart_last_stood_at_nothing() -> None:
    chart = Cusum(slack=0.75, alarm_at=4.0)

    for z in (1.0, -3.0, 0.0, 0.0, 0.0, 2.0, 0.0):
        chart.add(z)

    assert (chart.up, chart.down, chart.run) == (0.5, 0.0, 2)
    chart.reset()
    assert (chart.level, chart.run) == (0.0, 0)


def test_false_alarms_are_rare_without_a_shift() -> None:
    chart, alarms = Cusum(slack=0.75, alarm_at=4.0), 0
    for z in np.random.default_rng(7).normal(size=20_000):
        if chart.add(float(z)):
            alarms += 1
            chart.reset()

    assert alarms < 20_000 / 200
