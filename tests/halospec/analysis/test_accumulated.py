"""What adds up over time, read at moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.accumulated import MOST_GAP_NS, Accumulated
from telemetry_by_hand import SECOND, at


def over(found: Accumulated, started_s: float, ended_s: float) -> float:
    return float(found.over(at(started_s), at(ended_s))[0])


def test_a_counter_is_linear_between_its_readings():
    counted = Accumulated.of_counter(at(0, 1, 2), np.array([100.0, 110.0, 130.0]))
    assert over(counted, 0, 2) == 30
    assert over(counted, 0.5, 1.25) == pytest.approx(5 + 5)
    assert over(counted, 1.5, 1.5) == 0


def test_constant_power_is_power_times_seconds():
    drawn = Accumulated.of_gauge(at(0, 0.5, 1, 2), np.array([12.0, 12.0, 12.0, 12.0]))
    assert over(drawn, 0.3, 1.8) == pytest.approx(12 * 1.5)


def test_a_step_in_power_is_a_ramp_from_one_reading_to_the_next():
    drawn = Accumulated.of_gauge(at(0, 1, 2, 3), np.array([10.0, 10.0, 30.0, 30.0]))
    assert over(drawn, 0, 3) == pytest.approx(10 + 20 + 30)
    # From 1 s to 1.5 s power rises from 10 W to 20 W.
    assert over(drawn, 1, 1.5) == pytest.approx(7.5)
    assert over(drawn, 1.5, 2) == pytest.approx(12.5)


@pytest.mark.parametrize(("started_s", "ended_s"), [(-0.1, 1), (1, 2.1), (3, 4), (-2, -1)])
@pytest.mark.parametrize("make", [Accumulated.of_counter, Accumulated.of_gauge])
def test_outside_the_readings_nothing_is_known(make, started_s, ended_s):
    assert np.isnan(over(make(at(0, 1, 2), np.array([1.0, 2.0, 3.0])), started_s, ended_s))


@pytest.mark.parametrize("make", [Accumulated.of_counter, Accumulated.of_gauge])
def test_a_gap_of_more_than_a_second_is_unknown_and_its_sides_are_not(make):
    found = make(at(0, 1, 3, 4), np.array([5.0, 5.0, 5.0, 5.0]))
    for started_s, ended_s in ((0.5, 1.5), (1, 3), (2, 2.5), (0, 4)):
        assert np.isnan(over(found, started_s, ended_s)), (started_s, ended_s)
    each = 0 if make == Accumulated.of_counter else 5
    assert [over(found, 0, 1), over(found, 3, 4)] == [each, each]


def test_readings_that_failed_are_a_gap_only_if_they_are_many():
    nan = np.nan
    few = Accumulated.of_counter(at(0, 0.5, 1), np.array([1.0, nan, 3.0]))
    assert over(few, 0, 1) == 2
    many = Accumulated.of_counter(at(0, 1, 2), np.array([1.0, nan, 3.0]))
    assert np.isnan(over(many, 0, 2))


def test_a_counter_that_went_back_was_begun_anew():
    counted = Accumulated.of_counter(at(0, 1, 2, 3), np.array([50.0, 60.0, 3.0, 4.0]))
    assert (over(counted, 0, 1), over(counted, 2, 3)) == (10, 1)
    assert np.isnan(over(counted, 0.5, 2.5))
    np.testing.assert_array_equal(counted.rates, [10, np.nan, 1])


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("make", [Accumulated.of_counter, Accumulated.of_gauge])
def test_a_single_reading_says_nothing(make, count):
    found = make(at(*range(count)), np.ones(count))
    assert np.isnan(over(found, 0, 1))
    assert len(found.rates) == 0


gaps = st.lists(st.integers(1, 2 * MOST_GAP_NS), min_size=1, max_size=30)


@given(st.data(), gaps, st.booleans())
def test_the_parts_of_an_interval_add_up_to_it(data, gaps, is_counter):
    at_ns = np.cumsum([SECOND, *gaps])
    watts = data.draw(st.lists(st.floats(0, 1000), min_size=len(at_ns), max_size=len(at_ns)))
    values = np.array(watts)
    found = Accumulated.of_counter(at_ns, np.cumsum(values)) if is_counter else Accumulated.of_gauge(at_ns, values)
    first, middle, last = np.sort(
        data.draw(st.lists(st.integers(0, int(at_ns[-1]) + SECOND), min_size=3, max_size=3)),
    ).reshape(3, 1)
    whole = found.over(first, last)[0]
    parts = found.over(first, middle)[0] + found.over(middle, last)[0]
    if np.isnan(whole):
        assert np.isnan(parts)
    else:
        assert parts == pytest.approx(whole, abs=1e-6)
        assert whole >= -1e-6
