"""What will run, known before it does."""

from __future__ import annotations

import pytest

from halospec.controllers.modes import UnknownMode
from halospec.experiment.phases import LoadWindow, parse_phases
from halospec.experiment.plan import blocked_plan, classic_plan
from halospec.workloads.prompts import Prompt

PHASES = parse_phases("steady:2,load:1,recovery:1")
PROMPTS = (Prompt("a", "A"), Prompt("b", "B"), Prompt("c", "C"))
MODES = ("fixed_0", "fixed_2", "fixed_4", "adaptive")


def plan(seed: int = 1, blocks: int = 3):
    return blocked_plan(MODES, PHASES, PROMPTS, blocks=blocks, warmup=5, seed=seed)


def test_every_block_holds_one_trial_of_every_mode_with_the_same_phases():
    trials = plan().trials
    for block in (1, 2, 3):
        assert sorted(t.mode for t in trials if t.block == block) == sorted(MODES)
    assert {t.phases for t in trials} == {PHASES}


def test_the_order_is_random_within_blocks_and_fixed_by_the_seed():
    assert plan(seed=7) == plan(seed=7)
    orders = {tuple(t.mode for t in plan(seed=seed, blocks=1).trials) for seed in range(50)}
    assert len(orders) > 10


def test_modes_are_paired_by_prompt():
    assert [plan().prompt_at(1, step).prompt_id for step in (1, 2, 3, 4, 7)] == ["a", "b", "c", "a", "a"]


def test_prompts_move_on_by_one_from_block_to_block_so_that_each_comes_to_every_phase():
    assert [plan().prompt_at(block, 1).prompt_id for block in (1, 2, 3, 4)] == ["a", "b", "c", "a"]


def test_warm_up_goes_backwards_from_the_first_measured_prompt():
    assert [plan().warmup_prompt_at(1, number).prompt_id for number in (1, 2, 3, 4)] == ["c", "b", "a", "c"]
    assert plan().warmup_prompt_at(2, 1).prompt_id == "a"


def test_the_number_of_requests_counts_warm_up_and_is_unknown_where_time_decides():
    assert plan().request_count == 12 * (5 + 4)
    timed = blocked_plan(MODES, parse_phases("steady:9s"), PROMPTS, blocks=1, warmup=5, seed=1)
    assert timed.request_count is None


def test_an_unknown_mode_is_refused_before_anything_runs():
    with pytest.raises(UnknownMode):
        blocked_plan(("fixed_0", "magic"), PHASES, PROMPTS, blocks=1, warmup=1, seed=1)


def test_classic_is_the_originals_experiment_to_the_letter():
    classic = classic_plan(load=True, warmup=5)
    assert [t.mode for t in classic.trials] == [*(f"fixed_{k}" for k in range(1, 9)), "adaptive"]
    assert [t.phases.steps for t in classic.trials] == [10] * 8 + [15]
    assert [t.phases.load for t in classic.trials[:-1]] == [None] * 8
    assert classic.trials[-1].phases.load == LoadWindow(start_step=6, duration_s=30.0)
    assert (classic.pauses.after_warmup_s, classic.pauses.after_step_s) == (1.0, 2.0)
    assert classic.stop == ("</think>",)
    assert classic.prompt_at(1, 15).text.startswith("Explain speculative decoding in exactly ONE sentence.")


def test_classic_without_load_loads_nothing():
    assert all(t.phases.load is None for t in classic_plan(load=False, warmup=5).trials)


def test_classic_can_be_cut_down_to_some_of_its_modes_in_its_own_order():
    classic = classic_plan(load=True, warmup=5, modes=("adaptive", "fixed_3"))
    assert [t.mode for t in classic.trials] == ["fixed_3", "adaptive"]
    with pytest.raises(UnknownMode, match="fixed_0"):
        classic_plan(load=True, warmup=5, modes=("fixed_0",))
