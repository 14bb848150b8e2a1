from __future__ import annotations

from collections import Counter

import pytest

from halospec.contention.loads import CpuLoad, Load, MemoryLoad
from halospec.experiment.plan import Design
from halospec.tuning.halving import round_sizes
from halospec.tuning.schedule import LEAST_FOR_FRESH_PROMPTS, schedule
from halospec.workloads.prompts import Prompt

PROMPTS = tuple(Prompt(f"p{number}", f"Say {number}.") for number in range(30))


def asked(plan):
    """Return the measured requests of a plan in order: mode and prompt."""
    for trial in plan.trials:
        for step in range(1, trial.phases.steps + 1):
            for mode in plan.order_at(trial, step):
                yield mode, plan.prompt_at(trial.block, step).prompt_id


def test_all_k_answer_a_prompt_before_the_next_one_comes():
    sizes = round_sizes(4, warmup=1)
    (plan,) = schedule(PROMPTS, sizes, switching=False, seed=1).plans(sizes[0], (0, 1, 2, 3, 4), first_block=1)
    requests = list(asked(plan))
    assert plan.design is Design.INTERLEAVED
    assert len(requests) == 5 * sizes[0].prompts
    groups = [requests[at : at + 5] for at in range(0, len(requests), 5)]
    assert all(len({prompt for _, prompt in group}) == 1 for group in groups)
    assert all(len({mode for mode, _ in group}) == 5 for group in groups)
    assert len({tuple(mode for mode, _ in group) for group in groups}) > 1, "the order is random"


def test_the_last_round_has_prompts_that_no_other_round_had():
    sizes = round_sizes(8, warmup=2)
    plans = schedule(PROMPTS, sizes, switching=False, seed=1)
    assert plans.is_fresh
    last = {prompt for plan in plans.plans(sizes[-1], (0, 3, 4), first_block=3) for _, prompt in asked(plan)}
    before = {
        prompt
        for size in sizes[:-1]
        for plan in plans.plans(size, tuple(range(size.challengers + 1)), first_block=size.number)
        for _, prompt in asked(plan)
    }
    assert len(last) == 20
    assert before
    assert not last & before


def test_a_single_round_may_use_every_prompt():
    sizes = round_sizes(1, warmup=0, budget=60)
    plans = schedule(PROMPTS, sizes, switching=False, seed=1)
    (plan,) = plans.plans(sizes[0], (0, 4), first_block=1)
    assert plans.is_fresh
    assert {prompt for _, prompt in asked(plan)} == {prompt.prompt_id for prompt in PROMPTS}


def test_too_few_prompts_are_used_in_every_round_and_that_is_known():
    sizes = round_sizes(8, warmup=2)
    few = PROMPTS[: LEAST_FOR_FRESH_PROMPTS - 1]
    plans = schedule(few, sizes, switching=False, seed=1)
    assert not plans.is_fresh
    (plan,) = plans.plans(sizes[-1], (0, 3, 4), first_block=3)
    counts = Counter(prompt for mode, prompt in asked(plan) if mode == "fixed_0")
    assert set(counts) == {prompt.prompt_id for prompt in few}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_where_k_takes_a_restart_each_k_answers_the_prompts_of_a_pass_in_a_row():
    sizes = round_sizes(8, warmup=2, switching=True)
    plans = schedule(PROMPTS, sizes, switching=True, seed=1).plans(sizes[-1], (0, 3, 4), first_block=5)
    assert [trial.block for plan in plans for trial in plan.trials] == [5] * 3 + [6] * 3 + [7] * 3 + [8] * 3 + [
        9
    ] * 3 + [10] * 3
    orders = set()
    seen: list[str] = []
    for plan in plans:
        assert plan.design is Design.BLOCKED
        assert plan.warmup == 2
        orders.add(tuple(trial.mode for trial in plan.trials))
        of_mode = {mode: [prompt for at, prompt in asked(plan) if at == mode] for mode in plan.modes}
        assert of_mode["fixed_0"] == of_mode["fixed_3"] == of_mode["fixed_4"], "paired"
        seen += of_mode["fixed_0"]
    assert len(orders) > 1, "the k's are in random order"
    assert len(seen) == sizes[-1].prompts
    assert len(set(seen)) == 20


def test_with_load_every_step_is_to_have_it():
    sizes = round_sizes(1, warmup=0)
    loads = (Load(CpuLoad(workers=1)), Load(MemoryLoad(4.0)))
    (plan,) = schedule(PROMPTS, sizes, switching=False, seed=1, loads=loads).plans(sizes[0], (0, 4), first_block=1)
    assert plan.loads == loads
    assert plan.trials[0].phases.load.start_step == 1
    assert plan.trials[0].phases.load.stop_step > plan.trials[0].phases.steps


@pytest.mark.parametrize("switching", [False, True])
def test_the_same_seed_asks_the_same_and_another_does_not(switching):
    sizes = round_sizes(8, warmup=2, switching=switching)

    def order(seed):
        plans = schedule(PROMPTS, sizes, switching=switching, seed=seed).plans(sizes[0], range(9), first_block=1)
        return [request for plan in plans for request in asked(plan)]

    assert order(1) == order(1)
    assert order(1) != order(2)
