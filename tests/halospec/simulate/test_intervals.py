from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from halospec.simulate.intervals import Difference, Verdict, difference


def test_a_difference_is_the_mean_log_ratio_with_students_t():
    """Log ratios -0.1, -0.2, -0.3: mean -0.2, standard error 0.1 / sqrt(3), t(0.975, 2) = 4.303."""
    found = difference(np.exp([-0.1, -0.2, -0.3]), np.ones(3))
    reach = 4.302653 * 0.1 / math.sqrt(3)
    assert found.percent == pytest.approx(100 * (math.exp(-0.2) - 1))
    assert found.low_percent == pytest.approx(100 * (math.exp(-0.2 - reach) - 1))
    assert found.high_percent == pytest.approx(100 * (math.exp(-0.2 + reach) - 1))


def test_the_interval_is_that_of_scipys_paired_test():
    chance = np.random.default_rng(1)
    ms, reference = np.exp(chance.normal(0.02, 0.05, (2, 30)))
    found = difference(ms, reference)
    expected = stats.ttest_rel(np.log(ms), np.log(reference)).confidence_interval()
    assert found.low_percent == pytest.approx(100 * math.expm1(expected.low))
    assert found.high_percent == pytest.approx(100 * math.expm1(expected.high))


def test_what_both_share_of_a_seed_cancels():
    slow_seed = np.array([1.0, 2.0, 5.0])
    found = difference(0.9 * slow_seed, slow_seed)
    assert (found.low_percent, found.percent, found.high_percent) == pytest.approx((-10, -10, -10))
    assert found.verdict is Verdict.BETTER


def test_one_seed_has_no_interval_and_decides_nothing():
    found = difference(np.array([5.0]), np.array([10.0]))
    assert found.percent == pytest.approx(-50)
    assert found.low_percent is None
    assert found.high_percent is None
    assert found.verdict is Verdict.UNDECIDED


def test_a_policy_cannot_be_told_apart_from_itself():
    found = difference(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert (found.low_percent, found.percent, found.high_percent) == (0, 0, 0)
    assert found.verdict is Verdict.UNDECIDED


def test_rounding_in_the_last_bits_is_no_difference():
    ms = np.array([0.1 + 0.2, 0.3, 0.1 + 0.2])
    assert difference(ms, np.full(3, 0.3)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-3, -1, "better"), (1, 3, "worse"), (-1, 3, "cannot be told apart"), (0, 3, "cannot be told apart")],
)
def test_a_verdict_needs_an_interval_without_0(low, high, verdict):
    assert Difference(percent=1, low_percent=low, high_percent=high).verdict == verdict
