import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from halospec.inference.sign_flips import EXACT_UP_TO, FEWEST_PAIRS, pairs_needed, shift_of

differences = st.lists(st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3)), min_size=2, max_size=10)


@given(st.lists(st.integers(-5000, 5000).map(float), min_size=2, max_size=10))
def test_the_p_value_is_scipys(values: list[float]):
    # Whole numbers add up exactly: where sums tie but for rounding, scipy counts some ties and we count all.
    expected = stats.permutation_test(
        (np.array(values),), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    # scipy doubles the smaller tail; both count a tie as being as extreme.
    ours = shift_of(values, seed=1).p_value
    assert ours == pytest.approx(min(1.0, float(expected.pvalue)), abs=1e-9)


@given(differences)
def test_turning_all_signs_changes_only_the_direction(values: list[float]):
    one, other = shift_of(values, seed=1), shift_of([-value for value in values], seed=1)

    assert one.p_value == other.p_value
    assert one.mean == pytest.approx(-other.mean)
    if one.low is not None and other.high is not None:
        assert one.low == pytest.approx(-other.high)


@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 6)), min_size=FEWEST_PAIRS, max_size=10, unique=True))
def test_the_interval_excludes_zero_exactly_where_the_test_rejects(values: list[float]):
    shift = shift_of(values, seed=1)
    assert shift.low is not None
    assert shift.high is not None
    # A subset whose sum is 0 lies on the border, where rounding decides.
    if min(abs(shift.low), abs(shift.high)) > 1e-6:
        level = 2 * math.floor(0.025 * 2 ** len(values)) / 2 ** len(values)
        assert (shift.p_value <= level) == (shift.low > 0 or shift.high < 0)


def test_fewer_pairs_than_six_give_no_interval_and_no_small_p_value():
    shift = shift_of([1.0] * 5, seed=1)

    assert (shift.low, shift.high) == (None, None)
    assert shift.p_value == 2 / 2**5


def test_no_difference_at_all_is_an_interval_of_no_width():
    shift = shift_of([0.0] * 10, seed=1)

    assert (shift.mean, shift.low, shift.high, shift.p_value) == (0, 0, 0, 1)


def test_the_interval_covers_the_true_shift_as_often_as_it_says():
    chance = random.Random(11)
    trials, covered = 400, 0
    for _ in range(trials):
        # Heavy tails and unequal spreads: nothing but symmetry is promised.
        values = [0.3 + chance.gauss(0, 1) * chance.choice([0.1, 1, 5]) for _ in range(9)]
        shift = shift_of(values, seed=1)
        assert shift.low is not None
        assert shift.high is not None
        covered += shift.low <= 0.3 <= shift.high
    expected = 0.95 * trials
    assert abs(covered - expected) < 4 * math.sqrt(trials * 0.95 * 0.05)


def test_beyond_the_exact_range_random_patterns_come_close_to_a_t_test():
    chance = random.Random(5)
    values = [0.4 + chance.gauss(0, 1) for _ in range(40)]
    assert len(values) > EXACT_UP_TO

    shift, reference = shift_of(values, seed=1), stats.ttest_1samp(values, 0.0)
    interval = reference.confidence_interval(0.95)

    assert shift.p_value == pytest.approx(float(reference.pvalue), abs=0.01)
    assert shift.low == pytest.approx(float(interval.low), abs=0.05)
    assert shift.high == pytest.approx(float(interval.high), abs=0.05)
    assert shift == shift_of(values, seed=1)


@pytest.mark.parametrize("tests", [1, 2, 8, 20])
def test_so_many_pairs_can_reach_the_level_after_holm_although_one_disagrees_a_little(tests: int):
    pairs = pairs_needed(tests, 0.01)
    shift = shift_of([-0.1] + [1.0] * (pairs - 1), seed=1)

    assert tests * shift.p_value <= 0.01
