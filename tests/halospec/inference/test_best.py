import numpy as np

from halospec.inference.best import best_set
from halospec.inference.types import BestSet, Sums
from simulated_sums import simulated_sums


def sums_of(blocks: int, effects: list[float], seed: int = 1) -> Sums:
    return simulated_sums(np.random.default_rng(seed), blocks=blocks, arms=len(effects), effects=np.array(effects))


def test_an_arm_far_below_the_others_is_named_alone():
    for blocks in (4, 20):
        assert best_set(sums_of(blocks, [0.0, -0.5, 0.1, 0.2]), 0) == BestSet((1,))


def test_arms_that_cannot_be_told_apart_are_named_together():
    assert best_set(sums_of(8, [0.4, 0.0, 0.001, 0.5]), 0) == BestSet((1, 2))


def test_two_noisy_blocks_rule_nothing_out():
    assert best_set(sums_of(2, [0.0, 0.01, 0.02], seed=3), 0) == BestSet((0, 1, 2))


def test_one_block_says_nothing():
    assert best_set(sums_of(1, [0.0, 1.0]), 0) is None


def test_an_arm_that_was_never_measured_is_no_candidate_and_one_hardly_measured_stays_one():
    sums = sums_of(6, [0.0, 0.5, 0.6, 0.7])
    sums.denominator[:, :, :, 3] = 0
    sums.denominator[1:, :, :, 2] = 0

    assert best_set(sums, 0) == BestSet((0, 2))


def test_arms_that_never_scatter_are_told_apart_by_any_difference():
    times = np.broadcast_to(np.array([10.0, 10.5, 10.0]), (3, 1, 1, 3)) * np.array([1, 2, 3])[:, None, None, None]

    assert best_set(Sums(times, np.ones_like(times)), 0) == BestSet((0, 2))


def test_one_arm_alone_is_not_the_best_of_anything():
    assert best_set(sums_of(5, [0.0]), 0) is None
