import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from halospec.inference.power import block_sd, blocks_needed, smallest_detectable


def test_the_smallest_detectable_difference_is_found_in_four_runs_of_five():
    difference = smallest_detectable(0.05, 8)
    chance = np.random.default_rng(1)
    blocks = difference + 0.05 * chance.standard_normal((8, 4000))

    assert (stats.ttest_1samp(blocks, 0).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_more_comparisons_ask_for_a_larger_difference():
    assert smallest_detectable(0.05, 8, 20) > 1.3 * smallest_detectable(0.05, 8)


@given(st.floats(0.001, 0.5), st.floats(0.01, 0.5), st.integers(1, 30))
def test_the_blocks_needed_are_the_fewest_that_do(sd: float, difference: float, comparisons: int):
    blocks = blocks_needed(sd, difference, comparisons)

    assert smallest_detectable(sd, blocks, comparisons) <= difference
    assert blocks == 2 or smallest_detectable(sd, blocks - 1, comparisons) > difference
    assert blocks == blocks_needed(sd, -difference, comparisons)


def test_a_single_block_has_no_power_and_no_difference_takes_for_ever():
    with pytest.raises(ValueError, match="two blocks"):
        smallest_detectable(0.1, 1)
    with pytest.raises(ValueError, match="more blocks than"):
        blocks_needed(0.1, 0.0)


def test_the_scatter_of_blocks_is_predicted_from_within_them():
    chance = np.random.default_rng(1)
    within = 0.1 * chance.standard_normal((4, 40))

    # The correction for short series costs a little even where there is no autocorrelation.
    assert block_sd(within) == pytest.approx(0.1 / math.sqrt(40), rel=0.25)
    assert block_sd(within, steps=10) == pytest.approx(2 * block_sd(within))


def test_requests_that_follow_each_other_alike_count_for_fewer():
    chance = np.random.default_rng(2)
    series = np.empty((50, 60))
    series[:, 0] = chance.standard_normal(50)
    for step in range(1, 60):
        series[:, step] = 0.6 * series[:, step - 1] + 0.8 * chance.standard_normal(50)

    assert block_sd(series) == pytest.approx(series.mean(axis=1).std(ddof=1), rel=0.25)
    assert block_sd(series) > 1.7 / math.sqrt(60)


def test_missing_differences_are_left_out():
    series = np.array([[0.1, np.nan, -0.1, 0.1, -0.1], [np.nan, np.nan, np.nan, np.nan, 0.3]])

    assert block_sd(series) == pytest.approx(np.std([0.1, -0.1, 0.1, -0.1], ddof=1) / math.sqrt(5))
    with pytest.raises(ValueError, match="Two paired requests"):
        block_sd(series[1:])
