"""How often statements are wrong, over simulated experiments: the seeds are fixed, the worlds are not kind."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from halospec.inference.best import best_set
from halospec.inference.comparisons import against_lowest, compare_to
from halospec.inference.estimates import estimate
from halospec.inference.types import LogRatio, Sums
from simulated_sums import (
    BLOCK_SD,
    EVEN_SD,
    Noise,
    arms_in_groups,
    drift,
    even,
    heavy_tails,
    noisy_reference,
    simulated_sums,
    spikes,
    uneven_arms,
)

pytestmark = pytest.mark.usefixtures("quick")


def within_error_of(rate: float, level: float, experiments: int) -> bool:
    """Return whether a rate is at most two binomial standard errors above its level."""
    return rate <= level + 2 * math.sqrt(level * (1 - level) / experiments)


def experiments(number: int, seed: int, simulate: Callable[[np.random.Generator], Sums]) -> Iterator[tuple[int, Sums]]:
    """Return seeds for the inference, so that its own draws are not the same each time, and experiments."""
    return ((index, simulate(np.random.default_rng([seed, index]))) for index in range(number))


def found_anything(table: list[list[LogRatio | None]]) -> bool:
    return any(result is not None and result.is_found for row in table for result in row)


def rate(outcomes: list[bool]) -> float:
    return sum(outcomes) / len(outcomes)


@pytest.mark.parametrize("blocks", [3, 5, 10, 19, 20, 40])
def test_an_interval_misses_the_true_difference_in_one_case_of_twenty(blocks: int):
    effects = np.array([0.0, -0.1])
    misses = []
    for seed, sums in experiments(
        1000, blocks, lambda chance: simulated_sums(chance, blocks=blocks, arms=2, effects=effects)
    ):
        result = compare_to(sums, 0, seed=seed)[0][1]
        assert result is not None
        assert result.low is not None
        assert result.high is not None
        misses.append(not result.low <= -0.1 <= result.high)

    assert abs(rate(misses) - 0.05) <= 2.6 * math.sqrt(0.05 * 0.95 / len(misses))


@pytest.mark.parametrize("blocks", [3, 5, 10, 19, 20, 40])
def test_so_does_an_arms_own_interval(blocks: int):
    # The mean of a lognormal time.
    true = 20 * math.exp((BLOCK_SD**2 + EVEN_SD**2) / 2)
    misses = []
    for seed, sums in experiments(
        800, blocks, lambda chance: simulated_sums(chance, blocks=blocks, arms=1, prompt_sd=0)
    ):
        result = estimate(sums, seed=seed)[0][0]
        assert result is not None
        assert result.low is not None
        assert result.high is not None
        misses.append(not result.low <= true <= result.high)

    assert abs(rate(misses) - 0.05) <= 2.6 * math.sqrt(0.05 * 0.95 / len(misses))


@pytest.mark.parametrize("interaction", [0.0, 0.05, 0.2])
def test_with_many_prompts_an_interval_holds_for_prompts_in_general(interaction: float):
    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=20, arms=2, steps=12, prompts=24, interaction=interaction)

    misses = [found_anything(compare_to(sums, 0, seed=seed)) for seed, sums in experiments(300, 7, simulate)]

    assert within_error_of(rate(misses), 0.05, len(misses))


def test_with_few_blocks_it_holds_for_the_prompts_that_were_asked():
    """Which arm a prompt suits better is then part of what is found, not of the error."""

    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=10, arms=2, interaction=0.2)

    assert rate([found_anything(compare_to(sums, 0, seed=seed)) for seed, sums in experiments(200, 8, simulate)]) > 0.5


WORLDS: list[Noise] = [even, uneven_arms, noisy_reference, arms_in_groups, heavy_tails, spikes, drift]


@pytest.mark.parametrize("noise", WORLDS, ids=lambda noise: noise.__name__)
@pytest.mark.parametrize(("blocks", "strata", "arms", "runs"), [(3, 1, 4, 1000), (5, 2, 6, 600), (8, 3, 9, 300)])
def test_where_nothing_differs_a_few_blocks_find_something_in_one_run_of_twenty(
    noise: Noise, blocks: int, strata: int, arms: int, runs: int
):
    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=arms, strata=strata, steps=4, noise=noise)

    findings = [found_anything(compare_to(sums, 0, seed=seed)) for seed, sums in experiments(runs, 20, simulate)]

    assert within_error_of(rate(findings), 0.05, runs)


@pytest.mark.parametrize("noise", WORLDS, ids=lambda noise: noise.__name__)
@pytest.mark.parametrize(("blocks", "strata", "arms"), [(20, 1, 4), (30, 2, 5)])
def test_where_nothing_differs_many_blocks_find_something_in_one_run_of_twenty(
    noise: Noise, blocks: int, strata: int, arms: int
):
    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=arms, strata=strata, steps=4, noise=noise)

    findings = [found_anything(compare_to(sums, 0, seed=seed)) for seed, sums in experiments(300, 30, simulate)]

    assert within_error_of(rate(findings), 0.05, 300)


@pytest.mark.parametrize("blocks", [3, 8, 20])
@pytest.mark.parametrize("ties", [2, 5])
def test_the_best_is_a_candidate_in_nineteen_runs_of_twenty(blocks: int, ties: int):
    """The hard case: several arms are as good as each other, and any of them must not be dropped."""
    effects = np.where(np.arange(5) < ties, 0.0, 0.05)

    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=5, steps=4, noise=uneven_arms, effects=effects)

    sets = [best_set(sums, 0, seed=seed) for seed, sums in experiments(300, 40, simulate)]
    dropped = [found is None or 0 not in found.candidates for found in sets]

    assert within_error_of(rate(dropped), 0.05, 300)


@pytest.mark.parametrize(("blocks", "arms"), [(3, 4), (8, 9), (20, 4)])
def test_where_nothing_differs_a_winner_is_rare(blocks: int, arms: int):
    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=arms, steps=4)

    sets = [best_set(sums, 0, seed=seed) for seed, sums in experiments(300, 50, simulate)]

    assert within_error_of(rate([found is not None and len(found.candidates) == 1 for found in sets]), 0.05, 300)


@pytest.mark.parametrize("blocks", [5, 20])
def test_the_interval_against_the_lowest_holds_whichever_is_the_lowest(blocks: int):
    effects = np.array([0.1, 0.0, 0.0, 0.02])

    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=4, steps=4, effects=effects)

    misses = []
    for seed, sums in experiments(400, 60, simulate):
        result = against_lowest(sums, 0, 0, [1, 2, 3], seed=seed)
        assert result is not None
        assert result.low is not None
        assert result.high is not None
        misses.append(not result.low <= 0.1 <= result.high)

    assert within_error_of(rate(misses), 0.05, len(misses))


@pytest.mark.parametrize("blocks", [8, 20])
def test_a_tenth_is_found_where_the_machine_is_quiet(blocks: int):
    effects = np.array([0.0, math.log(0.9), 0.0, 0.0])

    def simulate(chance: np.random.Generator) -> Sums:
        return simulated_sums(chance, blocks=blocks, arms=4, strata=2, steps=6, effects=effects)

    tables = [compare_to(sums, 0, seed=seed) for seed, sums in experiments(100, 70, simulate)]

    assert rate([all(row[1] is not None and row[1].is_found for row in table) for table in tables]) > 0.8
