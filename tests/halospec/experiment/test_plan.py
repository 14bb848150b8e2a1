"""What will run, known before it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.modes import UnknownMode
from halospec.experiment.phases import LoadWindow, parse_phases
from halospec.experiment.plan import (
    INTERLEAVED,
    Design,
    Plan,
    blocked_plan,
    classic_plan,
    interleaved_plan,
    requests_in,
)
from halospec.workloads.prompts import Prompt

PHASES = parse_phases("steady:2,load:1,recovery:1")
PROMPTS = tuple(Prompt(name, name.upper()) for name in "abcdefg")
MODES = ("fixed_0", "fixed_2", "fixed_4", "adaptive")
FIXED = MODES[:3]


def plan(seed: int = 1, blocks: int = 3) -> Plan:
    return blocked_plan(MODES, PHASES, PROMPTS, blocks=blocks, warmup=5, seed=seed)


def turns(seed: int = 1, blocks: int = 3) -> Plan:
    return interleaved_plan(FIXED, PHASES, PROMPTS, blocks=blocks, warmup=2, seed=seed)


def test_every_block_holds_one_trial_of_every_mode_with_the_same_phases():
    trials = plan().trials
    for block in (1, 2, 3):
        assert sorted(t.mode for t in trials if t.block == block) == sorted(MODES)
    assert {t.phases for t in trials} == {PHASES}
    assert plan().modes == tuple(t.mode for t in trials[:4])
    assert plan().blocks == 3


def test_the_order_is_random_within_blocks_and_fixed_by_the_seed():
    assert plan(seed=7) == plan(seed=7)
    orders = {tuple(t.mode for t in plan(seed=seed, blocks=1).trials) for seed in range(50)}
    assert len(orders) > 10


def test_the_order_in_which_modes_are_named_decides_nothing():
    turned = blocked_plan(MODES[::-1], PHASES, PROMPTS, blocks=3, warmup=5, seed=1)
    assert turned == plan()


def test_each_block_deals_all_prompts_anew():
    dealt = [[plan().prompt_at(block, step).prompt_id for step in range(1, 8)] for block in range(1, 31)]
    assert all(sorted(order) == list("abcdefg") for order in dealt)
    assert len({tuple(order) for order in dealt}) > 25
    assert [plan(blocks=9).prompt_at(5, step) for step in range(1, 8)] == [
        plan(blocks=5).prompt_at(5, step) for step in range(1, 8)
    ]


def test_prompts_come_again_where_a_trial_has_more_steps_than_there_are_prompts():
    assert plan().prompt_at(1, 8) == plan().prompt_at(1, 1)


def test_another_seed_deals_otherwise():
    first = [plan(seed=1).prompt_at(1, step) for step in range(1, 8)]
    assert any([plan(seed=seed).prompt_at(1, step) for step in range(1, 8)] != first for seed in range(2, 5))


def test_warm_up_goes_backwards_from_the_end_of_what_the_block_deals():
    dealt = [plan().prompt_at(2, step) for step in range(1, 8)]
    assert [plan().warmup_prompt_at(2, number) for number in (1, 2, 7)] == [dealt[-1], dealt[-2], dealt[0]]


def test_the_number_of_requests_counts_warm_up_and_preload_and_is_unknown_where_time_decides():
    assert plan().request_count == 12 * (5 + 4)
    assert turns().request_count == 3 * (2 + 4) * 3
    timed = blocked_plan(MODES, parse_phases("steady:9s"), PROMPTS, blocks=1, warmup=5, seed=1)
    assert timed.request_count is None
    assert requests_in(timed.trials[0], 5) is None


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99), st.booleans())
def test_a_plan_is_continued_or_cut_without_a_change_to_what_both_have(blocks, others, seed, interleaved):
    make = turns if interleaved else plan
    assert make(seed, blocks).with_blocks(others) == make(seed, others)


def test_modes_that_take_turns_are_asked_in_another_order_at_each_step():
    trial = turns().trials[0]
    assert (trial.mode, trial.together, trial.modes) == (INTERLEAVED, FIXED, FIXED)
    orders = [turns().order_at(trial, step) for step in range(1, 31)]
    assert all(sorted(order) == sorted(FIXED) for order in orders)
    assert len(set(orders)) == 6
    assert orders == [turns(blocks=9).order_at(trial, step) for step in range(1, 31)]


def test_a_mode_alone_in_its_trial_is_asked_alone():
    assert plan().order_at(plan().trials[0], 3) == (plan().trials[0].mode,)


def test_a_controller_cannot_take_turns():
    with pytest.raises(UnknownMode, match="adaptive may learn from request to request and cannot take turns"):
        interleaved_plan(MODES, PHASES, PROMPTS, blocks=1, warmup=1, seed=1)


def test_an_unknown_mode_is_refused_before_anything_runs():
    with pytest.raises(UnknownMode):
        blocked_plan(("fixed_0", "magic"), PHASES, PROMPTS, blocks=1, warmup=1, seed=1)


def test_classic_is_the_originals_experiment_to_the_letter():
    classic = classic_plan(load=True, warmup=5)
    assert classic.design is Design.CLASSIC
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


def test_classic_continued_keeps_the_originals_order_in_every_block():
    classic = classic_plan(load=True, warmup=5).with_blocks(2)
    assert [t.mode for t in classic.trials[9:]] == [t.mode for t in classic.trials[:9]]


def test_what_takes_turns_does_the_same_whatever_comes_between():
    with pytest.raises(UnknownMode, match="auto:heuristic may learn from request to request and cannot take turns"):
        interleaved_plan(("fixed_0", "auto:heuristic"), PHASES, PROMPTS, blocks=1, warmup=1, seed=1)
    with pytest.raises(UnknownMode, match="auto:fixed may learn"):
        interleaved_plan(("fixed_0", "auto:fixed"), PHASES, PROMPTS, blocks=1, warmup=1, seed=1)
    turns = interleaved_plan(("fixed_0", "fixed_2@threads=1"), PHASES, PROMPTS, blocks=1, warmup=1, seed=1)
    assert turns.modes == ("fixed_0", "fixed_2@threads=1")
