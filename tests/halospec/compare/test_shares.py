"""Intervals of shares, and of one share relative to another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from halospec.compare.shares import ShareInterval, relative, share_interval


def counts(*numbers):
    return np.array(numbers, dtype=float)


def test_one_block_has_wilsons_interval():
    found = share_interval(counts(7), counts(10), level=0.05)
    by_scipy = binomtest(7, 10).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(by_scipy.low), pytest.approx(by_scipy.high))


def test_requests_that_hang_together_by_block_widen_it():
    alike = share_interval(counts(5, 5, 5, 5), counts(10, 10, 10, 10), level=0.05)
    apart = share_interval(counts(10, 0, 10, 0), counts(10, 10, 10, 10), level=0.05)
    assert apart.low < alike.low < 0.5 < alike.high < apart.high


def test_all_of_them_is_no_certainty():
    found = share_interval(counts(5, 5), counts(5, 5), level=0.05)
    assert found.high == 1
    assert 0.5 < found.low < 0.8


def test_a_baseline_that_is_certain_leaves_the_candidates_interval_divided_by_it():
    found = relative(ShareInterval(0.5, 0.4, 0.65), ShareInterval(0.8, 0.8, 0.8))
    assert (found.value, found.low, found.high) == (
        pytest.approx(0.5 / 0.8),
        pytest.approx(0.4 / 0.8),
        pytest.approx(0.65 / 0.8),
    )


def test_a_baseline_that_may_be_nothing_sets_no_upper_limit():
    assert math.isinf(relative(ShareInterval(0.5, 0.4, 0.6), ShareInterval(0.1, 0.0, 0.3)).high)


def test_nothing_can_be_relative_to_nothing():
    assert relative(ShareInterval(0.5, 0.4, 0.6), ShareInterval(0.0, 0.0, 0.1)) is None


SHARES = st.integers(0, 20).flatmap(
    lambda count: st.just(share_interval(counts(count, 10), counts(20, 20), level=0.05))
)


@given(SHARES, SHARES)
def test_the_interval_holds_its_value(candidate, baseline):
    found = relative(candidate, baseline)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
