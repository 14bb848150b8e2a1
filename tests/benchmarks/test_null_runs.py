"""The parts of the null benchmark: what a simulated run keeps of the recorded one, and what counts as a finding."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import null_runs
from halospec.analysis.comparisons import comparisons
from halospec.analysis.requests import Requests
from simulated_requests import simulated

MODES = ("fixed_0", "fixed_1", "fixed_2")


@pytest.fixture
def recorded() -> Requests:
    return simulated(modes=MODES, blocks=8)


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(1)


def trials(run: Requests) -> set[tuple[float, ...]]:
    """The times of each trial, whoever it is said to be of."""
    keys = {(int(block), int(mode)) for block, mode in zip(run.block, run.mode, strict=True)}
    return {tuple(run.decode_ms[(run.block == block) & (run.mode == mode)].tolist()) for block, mode in keys}


def test_dealing_exchanges_names_and_keeps_trials_whole(chance: np.random.Generator):
    modes = np.array([0, 0, 2, 2, 5, 5])
    seen = {tuple(null_runs.dealt(modes, chance).tolist()) for _ in range(200)}
    assert len(seen) == 6
    assert all(names[0] == names[1] and names[2] == names[3] and names[4] == names[5] for names in seen)
    assert all(set(names) == {0, 2, 5} for names in seen)


def test_a_simulated_run_is_consecutive_blocks_with_every_measurement_in_its_place(
    recorded: Requests, chance: np.random.Generator
):
    run = null_runs.simulated(recorded, 3, chance, shuffled=False)
    assert run.blocks_here == (1, 2, 3)
    assert run.modes_here == MODES
    assert trials(run) <= trials(recorded)
    starts = [recorded.block[recorded.decode_ms == run.decode_ms[run.block == number][0]][0] for number in (1, 2, 3)]
    assert [(later - earlier) % 8 for earlier, later in pairwise(starts)] == [1, 1]


def test_shuffling_keeps_each_prompts_times_in_its_phase_and_breaks_up_blocks(
    recorded: Requests, chance: np.random.Generator
):
    run = null_runs.shuffled_over_blocks(recorded, chance)
    for prompt in np.unique(recorded.prompt):
        for phase in np.unique(recorded.phase):
            here = (recorded.prompt == prompt) & (recorded.phase == phase)
            assert sorted(run.decode_ms[here]) == sorted(recorded.decode_ms[here])
    assert not np.array_equal(run.decode_ms, recorded.decode_ms)


def test_an_effect_of_the_mode_does_not_survive_dealing(recorded: Requests):
    real = simulated(modes=MODES, blocks=8, effects={"fixed_2": -0.5})
    assert null_runs.states_a_difference(real, seed=1)
    stated = null_runs.findings(real, 6, runs=40, seed=1, shuffled=False)
    assert stated <= 6


def test_findings_are_the_same_for_the_same_seed(recorded: Requests):
    counts = [null_runs.findings(recorded, 4, runs=12, seed=2, shuffled=True) for _ in range(2)]
    assert counts[0] == counts[1]


def test_a_mode_ruled_out_as_the_best_is_a_finding_too():
    found = comparisons(simulated(modes=MODES, blocks=6, seed=2))
    assert found is not None
    assert found.primary is not None
    assert not null_runs.any_finding(found)
    (first, *others) = found.primary.best
    fewer = (first.model_copy(update={"candidates": first.modes[:1]}), *others)
    ruled_out = found.model_copy(update={"primary": found.primary.model_copy(update={"best": fewer})})
    assert null_runs.any_finding(ruled_out)
    assert not null_runs.any_finding(found.model_copy(update={"primary": None}))


def test_runs_without_two_modes_state_nothing(recorded: Requests):
    assert not null_runs.states_a_difference(recorded.of_mode("fixed_0"), seed=1)
    failed = replace(recorded, success=np.zeros(len(recorded), dtype=np.bool_))
    assert not null_runs.states_a_difference(failed, seed=1)


def test_a_count_is_told_with_its_interval():
    assert null_runs.told(50, 1000) == "50 (5.0 % [3.8, 6.5])"
