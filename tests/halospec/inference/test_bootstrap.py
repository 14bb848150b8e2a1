import numpy as np
import pytest

from halospec.inference.bootstrap import FEWEST_PROMPTS, bootstrap
from halospec.inference.comparisons import compare_to
from halospec.inference.log_ratios import Contrast
from halospec.inference.types import Method, Sums
from simulated_sums import simulated_sums

PAIR = Contrast(0, 1, 0)


def weighted_log_ratio(sums: Sums) -> float:
    numerator, denominator = sums.numerator[:, :, 0].sum(axis=(0, 1)), sums.denominator[:, :, 0].sum(axis=(0, 1))
    return float(np.log(numerator[1] / denominator[1]) - np.log(numerator[0] / denominator[0]))


def test_the_value_is_the_log_ratio_of_the_ratios_of_sums():
    sums = simulated_sums(np.random.default_rng(1), blocks=20, arms=2, prompts=12, steps=12)
    assert bootstrap(sums, [PAIR], seed=1).values == pytest.approx([weighted_log_ratio(sums)])


def test_the_standard_error_is_that_of_simulated_experiments(quick: None):
    """Blocks, prompts and single requests all scatter here, so that one-way clustering would be far off."""
    values, squares = [], []
    for index in range(100):
        chance = np.random.default_rng([3, index])
        sums = simulated_sums(chance, blocks=25, arms=2, steps=16, prompts=16, interaction=0.1)
        by_block = np.exp(0.1 * chance.standard_normal((25, 1, 1, 2)))
        found = bootstrap(Sums(sums.numerator * by_block, sums.denominator), [PAIR], seed=1)
        values.append(found.values[0])
        squares.append(found.standard_errors[0] ** 2)

    assert np.sqrt(np.mean(squares)) == pytest.approx(np.std(values), rel=0.15)


def test_too_few_prompts_are_not_drawn_again():
    """What a prompt does to an arm then widens nothing."""
    few = simulated_sums(np.random.default_rng(5), blocks=30, arms=2, steps=5, interaction=0.5)
    many = simulated_sums(np.random.default_rng(5), blocks=30, arms=2, steps=FEWEST_PROMPTS, interaction=0.5)

    assert bootstrap(few, [PAIR], seed=1).standard_errors[0] < 0.03
    assert bootstrap(few, [PAIR], seed=1).degrees[0] == 29
    assert bootstrap(many, [PAIR], seed=1).standard_errors[0] > 0.1
    assert bootstrap(many, [PAIR], seed=1).degrees[0] == FEWEST_PROMPTS - 1


def test_where_every_block_has_one_prompt_prompts_alone_are_drawn_again():
    """Forty blocks of ten prompts are ten clusters, not forty."""
    chance = np.random.default_rng(6)
    numerator, denominator = np.zeros((40, 10, 1, 2)), np.zeros((40, 10, 1, 2))
    suits = 0.3 * chance.standard_normal(10)
    for block in range(40):
        prompt = block % 10
        numerator[block, prompt, 0] = 20 * np.exp([0, suits[prompt]] + 0.01 * chance.standard_normal(2))
        denominator[block, prompt, 0] = 1
    found = bootstrap(Sums(numerator, denominator), [PAIR], seed=1)

    times = np.exp(suits)
    assert found.standard_errors[0] == pytest.approx(times.std(ddof=1) / times.mean() / np.sqrt(10), rel=0.1)
    assert found.degrees[0] == 9


def test_a_comparison_too_sparse_to_draw_from_falls_back_on_students_t():
    """Twenty of four hundred blocks hold it, all of them alike but one."""
    sums = Sums(np.ones((400, 1, 1, 2)), np.ones((400, 1, 1, 2)))
    sums.denominator[20:, :, :, 1] = 0
    sums.numerator[3, 0, 0, 1] = 1.5
    result = compare_to(sums, 0)[0][1]

    assert result is not None
    assert result.method is Method.T_ON_BLOCKS


def test_where_nothing_scatters_the_interval_has_no_width():
    result = compare_to(Sums(np.full((20, 12, 1, 2), 3.0), np.full((20, 12, 1, 2), 7.0)), 0)[0][1]

    assert result is not None
    assert (result.value, result.low, result.high) == (0, 0, 0)
    assert not result.is_found
