from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.tuning.halving import (
    FINAL_PASSES,
    FINAL_PROMPTS,
    FINALISTS,
    LEAST_FINAL_PROMPTS,
    LEAST_PROMPTS,
    Standing,
    round_sizes,
    survivors,
)


def standing(length: int, log_ratio: float | None, *, pairs: int = 10, asked: int = 10, misses: bool = False):
    return Standing(length, log_ratio, pairs, asked, misses)


@pytest.mark.parametrize(
    ("challengers", "rounds"),
    [(1, [1]), (2, [2]), (3, [3, 2]), (4, [4, 2]), (5, [5, 3, 2]), (8, [8, 4, 2]), (16, [16, 8, 4, 2])],
)
def test_each_round_has_half_of_the_challengers_until_two_are_left(challengers, rounds):
    assert [size.challengers for size in round_sizes(challengers, warmup=2)] == rounds


def test_rounds_cost_about_the_same_so_that_those_hard_to_tell_apart_are_asked_the_most():
    sizes = round_sizes(8, warmup=0, budget=180)
    assert [size.prompts for size in sizes] == [6, 12, 22]
    assert max(size.requests for size in sizes) - min(size.requests for size in sizes) < 15


def test_without_a_budget_the_last_round_has_enough_prompts_for_an_interval():
    assert all(round_sizes(n, warmup=2)[-1].prompts >= FINAL_PROMPTS for n in range(1, 17))


@given(
    challengers=st.integers(1, 16),
    warmup=st.integers(0, 5),
    switching=st.booleans(),
    budget=st.none() | st.integers(1, 1000),
)
def test_a_budget_is_kept_or_refused_with_one_that_does(challengers, warmup, switching, budget):
    try:
        sizes = round_sizes(challengers, budget=budget, warmup=warmup, switching=switching)
    except ValueError as refusal:
        assert budget is not None
        enough = int(str(refusal).rsplit(maxsplit=1)[-1])
        assert budget < enough
        sizes = round_sizes(challengers, budget=enough, warmup=warmup, switching=switching)
        budget = enough
    if budget is not None:
        assert sum(size.requests for size in sizes) <= budget
    assert all(size.prompts >= LEAST_PROMPTS for size in sizes)
    assert sizes[-1].prompts >= LEAST_FINAL_PROMPTS
    assert [size.is_last for size in sizes] == [False] * (len(sizes) - 1) + [True]


def test_k_that_changes_with_each_request_warms_up_once():
    assert [size.warmup for size in round_sizes(8, warmup=3)] == [3, 0, 0]


def test_a_server_that_is_started_anew_warms_up_each_time_and_the_last_round_goes_over_all_k_repeatedly():
    sizes = round_sizes(8, warmup=3, switching=True)
    assert [size.warmup for size in sizes] == [3, 3, 3]
    assert [size.passes for size in sizes] == [1, 1, FINAL_PASSES]
    last = sizes[-1]
    passes = [last.pass_of(step) for step in range(1, last.prompts + 1)]
    assert passes == sorted(passes)
    assert set(passes) == set(range(1, FINAL_PASSES + 1))


@pytest.mark.parametrize("challengers", [0, -1])
def test_nothing_to_choose_from_is_refused(challengers):
    with pytest.raises(ValueError, match="nothing to tune"):
        round_sizes(challengers, warmup=2)


def test_the_quickest_go_on():
    at = [standing(1, 0.1), standing(2, -0.2), standing(4, -0.3), standing(8, 0.4)]
    assert survivors(at, keep=2) == (2, 4)


def test_of_equals_the_smaller_goes_on():
    assert survivors([standing(4, 0.0), standing(2, 0.0), standing(3, 0.0)], keep=2) == (2, 3)


def test_one_that_misses_the_objectives_goes_on_only_where_there_is_no_other():
    at = [standing(1, -0.9, misses=True), standing(2, 0.5), standing(3, 0.6)]
    assert survivors(at, keep=FINALISTS) == (2, 3)
    assert survivors(at[:2], keep=FINALISTS) == (1, 2)


def test_one_that_mostly_fails_never_goes_on():
    at = [standing(1, -0.9, pairs=4), standing(2, None, pairs=0), standing(3, 0.6, pairs=5)]
    assert survivors(at, keep=3) == (3,)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=16, unique=True))
def test_the_quickest_of_all_is_never_dropped(log_ratios):
    at = [standing(length, ratio) for length, ratio in enumerate(log_ratios, start=1)]
    best = min(at, key=lambda one: one.log_ratio or 0.0).draft_length
    for size in round_sizes(len(at), warmup=0)[1:]:
        kept = survivors(at, size.challengers)
        assert best in kept
        at = [one for one in at if one.draft_length in kept]
    assert len(at) <= FINALISTS
