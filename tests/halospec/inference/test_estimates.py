import numpy as np
import pytest
from scipy import stats

from halospec.inference.estimates import estimate
from halospec.inference.types import Estimate, Method, Sums
from simulated_sums import simulated_sums


def test_the_value_is_the_ratio_of_sums_and_lies_within_its_interval():
    for blocks, method in ((4, Method.T_ON_BLOCKS), (20, Method.BOOTSTRAP)):
        sums = simulated_sums(np.random.default_rng(1), blocks=blocks, arms=2, strata=2)
        result = estimate(sums)[1][0]

        assert result is not None
        assert result.low is not None
        assert result.high is not None
        expected = sums.numerator[:, :, 1, 0].sum() / sums.denominator[:, :, 1, 0].sum()
        assert result.value == pytest.approx(expected)
        assert result.low < result.value < result.high
        assert (result.blocks, result.method) == (blocks, method)


def test_blocks_of_equal_length_give_students_interval_relative_to_the_mean():
    times = np.array([10.0, 12.0, 11.0, 13.0])
    (result,) = estimate(Sums(times[:, None, None, None], np.ones((4, 1, 1, 1))))[0]

    assert result is not None
    half_width = stats.t.ppf(0.975, 3) * stats.sem(times) / times.mean()
    assert (result.low, result.high) == pytest.approx((11.5 * np.exp(-half_width), 11.5 * np.exp(half_width)))


def test_one_block_gives_a_value_only_and_none_gives_nothing():
    numerator, denominator = np.zeros((3, 1, 1, 2)), np.zeros((3, 1, 1, 2))
    numerator[0, 0, 0, 0], denominator[0, 0, 0, 0] = 30, 2

    assert estimate(Sums(numerator, denominator)) == [[Estimate(15.0, None, None, 1, None), None]]


def test_an_arm_measured_in_few_blocks_does_not_change_the_method_of_another():
    sums = simulated_sums(np.random.default_rng(1), blocks=22, arms=2)
    sums.denominator[5:, :, :, 1] = 0

    assert [one.method for one in estimate(sums)[0] if one] == [Method.BOOTSTRAP, Method.T_ON_BLOCKS]


def test_blocks_that_are_all_alike_give_an_interval_of_no_width():
    for blocks in (3, 25):
        (result,) = estimate(Sums(np.full((blocks, 2, 1, 1), 0.3), np.full((blocks, 2, 1, 1), 0.1)))[0]

        assert result is not None
        assert (result.low, result.high) == pytest.approx((3, 3))
