"""Counters that go on where hardware starts anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.telemetry.counters import Extrapolated, Tally, Unwrapped


@given(first=st.integers(0, 1000), steps=st.lists(st.integers(0, 500), max_size=50))
def test_a_register_that_wraps_is_followed_exactly(first, steps):
    counter, true = Unwrapped(span=1000), first
    assert counter.advance(first) == first
    for step in steps:
        true += step
        assert counter.advance(true % 1000) == true


def test_a_reset_is_no_wrap():
    counter = Unwrapped(span=1000)
    counter.advance(100)
    assert counter.advance(5) == 105


def test_a_register_without_end_that_falls_was_reset():
    counter = Unwrapped()
    counter.advance(9_000)
    assert counter.advance(10) == 9_010
    assert counter.advance(30) == 9_030


@given(st.lists(st.integers(0, 1000), min_size=1), st.none() | st.integers(1, 1000))
def test_no_register_makes_a_total_fall(registers, span):
    counter = Unwrapped(span)
    totals = [counter.advance(register) for register in registers]
    assert totals == sorted(totals)


def test_an_event_that_always_ran_counts_as_it_is():
    count = Extrapolated()
    assert count.advance(Tally(40, 100, 100)) == 40
    assert count.advance(Tally(50, 200, 200)) == 50


def test_each_stretch_is_scaled_by_the_share_of_time_that_the_event_ran_in_it():
    count = Extrapolated()
    assert count.advance(Tally(10, 100, 50)) == pytest.approx(20)
    assert count.advance(Tally(40, 200, 150)) == pytest.approx(50)


def test_an_event_that_did_not_run_says_nothing_and_is_made_up_for_later():
    count = Extrapolated()
    count.advance(Tally(10, 100, 100))
    assert count.advance(Tally(10, 200, 100)) is None
    assert count.advance(Tally(30, 300, 200)) == pytest.approx(50)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 100), st.integers(0, 100)), min_size=1))
def test_scaled_counts_never_fall(stretches):
    count, tally, totals = Extrapolated(), Tally(0, 0, 0), [0.0]
    for more, wanted_ns, running_percent in stretches:
        ran_ns = wanted_ns * running_percent // 100
        tally = Tally(tally.count + more, tally.enabled_ns + wanted_ns, tally.running_ns + ran_ns)
        total = count.advance(tally)
        totals += [] if total is None else [total]
    assert totals == sorted(totals)
