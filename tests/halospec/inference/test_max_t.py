import numpy as np
import pytest
from scipy import integrate, optimize, stats

from halospec.inference.max_t import Sides, critical_values, joint_level, shrunk_correlation


def drawn(blocks: int, correlation: float, comparisons: int, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed)
    common = chance.standard_normal((blocks, 1))
    own = chance.standard_normal((blocks, comparisons))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def test_one_comparison_has_students_own_critical_value():
    for sides, quantile in ((Sides.TWO, 0.975), (Sides.ONE, 0.95)):
        (value,) = critical_values(drawn(7, 0, 1), confidence=0.95, seed=1, sides=sides)
        assert value == pytest.approx(stats.t.ppf(quantile, 6))


def test_independent_comparisons_come_out_at_sidaks_level():
    level = joint_level(drawn(200, 0, 4)[:30], confidence=0.95, seed=1)
    assert level == pytest.approx(1 - 0.95 ** (1 / 4), rel=0.1)


def test_comparisons_that_are_one_and_the_same_need_hardly_any_correction():
    level = joint_level(np.repeat(drawn(400, 0, 1), 5, axis=1), confidence=0.95, seed=1)
    assert 0.03 < level <= 0.05


def test_the_level_lies_between_bonferronis_and_its_own():
    for blocks in (2, 3, 6):
        for correlation in (0.0, 0.5, 0.99):
            assert 0.05 / 8 <= joint_level(drawn(blocks, correlation, 8), confidence=0.95, seed=1) <= 0.05


def test_equally_correlated_comparisons_have_dunnetts_critical_value_with_many_blocks():
    def all_below(value: float) -> float:
        """Return the probability that none of eight normal variables with correlation 0.9 exceeds a value."""

        def given(common: float) -> float:
            ends = (np.array([-value, value]) - np.sqrt(0.9) * common) / np.sqrt(0.1)
            return float(stats.norm.pdf(common) * (stats.norm.cdf(ends[1]) - stats.norm.cdf(ends[0])) ** 8)

        return integrate.quad(given, -8, 8)[0]

    exact = optimize.brentq(lambda value: all_below(value) - 0.95, 1.9, 3)

    assert critical_values(drawn(200, 0.9, 8), confidence=0.95, seed=1) == pytest.approx(exact, abs=0.1)


def test_comparisons_with_fewer_blocks_have_a_larger_critical_value_and_do_not_raise_the_others():
    ratios = drawn(15, 0.3, 3)
    full = critical_values(ratios, confidence=0.95, seed=1)
    ratios[2:, 2] = np.nan
    gaps = critical_values(ratios, confidence=0.95, seed=1)

    assert gaps[2] > 25
    assert gaps[:2] == pytest.approx(full[:2], rel=0.08)


def test_the_correlation_is_shrunk_less_the_more_blocks_there_are():
    def typical(blocks: int) -> float:
        return float(np.mean([shrunk_correlation(drawn(blocks, 0.6, 3, seed))[0, 1] for seed in range(40)]))

    means = [typical(blocks) for blocks in (5, 20, 500)]

    assert means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(0.6, abs=0.02)


def test_three_blocks_are_not_enough_for_a_correlation():
    assert np.array_equal(shrunk_correlation(drawn(3, 0.9, 4)), np.eye(4))


def test_the_correlation_is_that_of_something_even_where_every_pair_comes_from_other_blocks():
    chance = np.random.default_rng(1)
    for _ in range(50):
        ratios = drawn(12, 0.9, 6, seed=int(chance.integers(1_000_000)))
        ratios[chance.random(ratios.shape) < 0.35] = np.nan
        correlation = shrunk_correlation(ratios)

        assert np.linalg.eigvalsh(correlation)[0] >= -1e-9
        assert np.diag(correlation) == pytest.approx(1)


def test_a_comparison_that_never_scatters_counts_as_uncorrelated():
    ratios = drawn(8, 0.9, 3)
    ratios[:, 1] = 0.1
    assert list(shrunk_correlation(ratios)[1]) == [0, 1, 0]
