import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from halospec.inference.comparisons import against_lowest, compare_all, compare_to
from halospec.inference.types import LogRatio, Method, Sums
from simulated_sums import simulated_sums


def one_prompt(times: list[list[float | None]]) -> Sums:
    """Return one stratum's sums from a row a block and a column an arm; None where nothing was measured."""
    values = np.array([[np.nan if time is None else time for time in row] for row in times])[:, np.newaxis, np.newaxis]
    held = ~np.isnan(values)
    return Sums(np.where(held, values * 10, 0.0), np.where(held, 10.0, 0.0))


def found(result: LogRatio | None) -> LogRatio:
    assert result is not None
    return result


def interval(result: LogRatio | None) -> tuple[float, float]:
    known = found(result)
    assert known.low is not None
    assert known.high is not None
    return known.low, known.high


def test_two_arms_in_a_few_blocks_are_compared_by_students_t():
    slow, fast = [20.0, 22.0, 19.0, 24.0], [18.0, 19.5, 17.4, 20.0]
    logs = np.log(fast) - np.log(slow)
    by_scipy = stats.ttest_1samp(logs, 0).confidence_interval(0.95)

    ((reference, result),) = compare_to(one_prompt([list(pair) for pair in zip(slow, fast, strict=True)]), 0)

    assert reference is None
    assert found(result).method is Method.T_ON_BLOCKS
    assert found(result).value == pytest.approx(logs.mean())
    assert found(result).standard_error == pytest.approx(stats.sem(logs))
    assert interval(result) == pytest.approx((by_scipy.low, by_scipy.high))


def test_the_smallest_detectable_difference_adds_the_power_to_the_interval():
    result = found(compare_to(one_prompt([[20, 21], [20, 22], [20, 21.5]]), 0)[0][1])
    low, high = interval(result)

    assert result.standard_error is not None
    expected = (high - low) / 2 + stats.t.ppf(0.8, 2) * result.standard_error
    assert result.smallest_detectable == pytest.approx(expected)


def test_only_cells_in_which_both_arms_were_measured_count():
    # The second prompt is slow, and only the first arm was measured on it.
    numerator = np.array([[[[100.0, 90.0]], [[500.0, 0.0]]]] * 2) + np.array([0.0, 1.0])[:, None, None, None]
    denominator = np.array([[[[10.0, 10.0]], [[10.0, 0.0]]]] * 2)

    result = found(compare_to(Sums(numerator, denominator), 0)[0][1])

    assert result.value == pytest.approx((math.log(90 / 100) + math.log(91 / 101)) / 2)


def test_what_no_block_holds_is_none_and_one_block_gives_a_value_without_an_interval():
    ((_, never, once, twice),) = compare_to(
        one_prompt([[10, None, 11, 12], [None, 9, None, 9], [10, None, None, 13]]), 0
    )

    assert never is None
    assert once == LogRatio(pytest.approx(math.log(1.1)), None, None, None, None, 1, None)
    assert found(twice).blocks == 2
    assert interval(twice)[0] < math.log(1.2) < interval(twice)[1]


def test_two_blocks_give_an_enormous_interval():
    low, high = interval(compare_to(one_prompt([[10, 11], [10, 12]]), 0)[0][1])

    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 1) * abs(math.log(1.2) - math.log(1.1)) / 2)
    assert high - low > 1


def test_ratios_that_are_all_equal_give_an_interval_of_no_width():
    (row,) = compare_to(one_prompt([[10, 11, 10], [20, 22, 20], [30, 33, 30]]), 0)

    assert interval(row[1]) == pytest.approx((math.log(1.1), math.log(1.1)))
    assert interval(row[2]) == (0, 0)
    assert not found(row[2]).is_found


def test_a_comparison_held_by_few_blocks_does_not_widen_the_others():
    chance = np.random.default_rng(1)
    full = 20 * np.exp(0.02 * chance.standard_normal((12, 3)))
    rows = [[float(value) for value in row] for row in full]
    sparse = [[*row[:2], row[2] if block < 2 else None] for block, row in enumerate(rows)]

    alone = interval(compare_to(one_prompt([row[:2] for row in rows]), 0)[0][1])
    beside = interval(compare_to(one_prompt(sparse), 0)[0][1])

    assert 1 < (beside[1] - beside[0]) / (alone[1] - alone[0]) < 1.25


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 24), st.integers(2, 5), st.integers(1, 2), st.integers(0, 10_000))
def test_no_interval_is_narrower_than_it_would_be_alone_and_none_is_nan(blocks: int, arms: int, strata: int, seed: int):
    chance = np.random.default_rng(seed)
    sums = simulated_sums(chance, blocks=blocks, arms=arms, strata=strata, steps=2)
    gaps = chance.random(sums.numerator.shape) < 0.2
    sums = Sums(np.where(gaps, 0.0, sums.numerator), np.where(gaps, 0.0, sums.denominator))

    for row in compare_to(sums, 0, seed=seed):
        for result in row:
            if result is not None and result.low is not None:
                assert result.standard_error is not None
                low, high = interval(result)
                narrowest = stats.t.ppf(0.975, result.blocks - 1) * result.standard_error
                assert (high - low) / 2 >= narrowest * (1 - 1e-9)
                assert math.isfinite(high - low)


def test_the_smallest_number_of_blocks_decides_the_method_for_all():
    sums = simulated_sums(np.random.default_rng(1), blocks=24, arms=3)
    assert {found(result).method for result in compare_to(sums, 0)[0][1:]} == {Method.BOOTSTRAP}

    sums.denominator[:6, :, :, 2] = 0
    assert {found(result).method for result in compare_to(sums, 0)[0][1:]} == {Method.T_ON_BLOCKS}


def test_the_same_seed_gives_the_same_intervals():
    for blocks in (6, 20):
        sums = simulated_sums(np.random.default_rng(2), blocks=blocks, arms=4, strata=2)
        assert compare_to(sums, 1, seed=5) == compare_to(sums, 1, seed=5)


def test_every_arm_against_every_other_is_antisymmetric():
    sums = simulated_sums(np.random.default_rng(3), blocks=5, arms=3, strata=2)
    table = compare_all(sums, 1)

    for arm in range(3):
        assert table[arm][arm] is None
        for other in range(arm):
            assert found(table[arm][other]).value == -found(table[other][arm]).value
            low, high = interval(table[arm][other])
            assert interval(table[other][arm]) == (-high, -low)


def test_more_comparisons_make_wider_intervals():
    sums = simulated_sums(np.random.default_rng(3), blocks=5, arms=5)
    few, many = interval(compare_to(sums, 0)[0][1]), interval(compare_all(sums, 0)[1][0])

    assert many[1] - many[0] > few[1] - few[0]


def test_against_the_lowest_is_the_largest_difference_and_the_largest_ends():
    sums = simulated_sums(np.random.default_rng(4), blocks=6, arms=4, effects=np.array([0.3, 0.0, 0.1, 0.2]))
    lowest = against_lowest(sums, 0, 0, [1, 2, 3])
    others = [against_lowest(sums, 0, 0, [other]) for other in (1, 2, 3)]

    assert found(lowest).value == max(found(other).value for other in others)
    assert interval(lowest)[0] < 0.3 < interval(lowest)[1]
    assert interval(lowest)[1] >= max(interval(other)[1] for other in others)
    assert against_lowest(sums, 0, 0, []) is None


def test_an_arm_among_the_others_is_never_lower_than_the_lowest():
    sums = simulated_sums(np.random.default_rng(4), blocks=6, arms=3, effects=np.array([0.0, 0.5, 0.6]))

    assert found(against_lowest(sums, 0, 0, [0, 1, 2])).value == 0
    assert interval(against_lowest(sums, 0, 0, [0, 1, 2])) == (0, 0)
    assert found(against_lowest(sums, 0, 0, [1, 2])).value < -0.4
