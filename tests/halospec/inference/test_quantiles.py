import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.inference.quantiles import quantile, values_needed
from halospec.nearest_rank import nearest_rank


@pytest.mark.parametrize(("percentile", "needed"), [(50, 6), (90, 36), (95, 72), (99, 368), (5, 72)])
def test_a_percentile_that_the_sample_cannot_bound_is_not_given(percentile: float, needed: int):
    assert values_needed(percentile) == needed
    too_few = quantile(range(needed - 1), percentile)
    assert (too_few.value, too_few.low, too_few.high) == (None, None, None)
    assert (too_few.size, too_few.needed) == (needed - 1, needed)

    enough = quantile(range(needed), percentile)
    assert enough.value is not None
    assert enough.high is not None
    assert enough.low is not None
    assert enough.low <= enough.value <= enough.high


def test_the_median_of_nine_lies_between_the_second_and_the_eighth():
    result = quantile([9, 1, 8, 2, 7, 3, 6, 4, 5], 50)
    assert (result.value, result.low, result.high) == (5, 2, 8)


@given(st.lists(st.floats(-1e6, 1e6), min_size=75, max_size=120), st.integers(10, 95))
def test_the_value_is_the_nearest_rank(values: list[float], percentile: int):
    assert quantile(values, percentile).value == nearest_rank(values, percentile)


@pytest.mark.parametrize(("percentile", "size"), [(50, 20), (95, 100), (90, 45)])
def test_the_interval_misses_the_percentile_in_at_most_one_case_of_twenty(percentile: float, size: int):
    chance = np.random.default_rng(1)
    true = -np.log(1 - percentile / 100)
    misses = 0
    for _ in range(2000):
        result = quantile(chance.exponential(size=size), percentile)
        assert result.low is not None
        assert result.high is not None
        misses += not result.low <= true <= result.high

    assert misses / 2000 <= 0.05 + 2 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize("percentile", [0, 100, -1])
def test_what_is_no_percentile_is_refused(percentile: float):
    with pytest.raises(ValueError, match="between 0 and 100"):
        quantile([1.0], percentile)
