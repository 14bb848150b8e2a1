"""Exp3 and Exp3.S over draft lengths."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_worlds import favourite, lengths_chosen, requests, rounds
from halospec.controllers.exp3 import Exp3Controller, Exp3Settings
from halospec.controllers.protocol import Outcome


def reply(draft_length: int, time_ms: float) -> Outcome:
    return Outcome(draft_length, success=True, latency_ms=time_ms, completion_tokens=64)


def two_arms(**settings: float) -> Exp3Controller:
    return Exp3Controller(Exp3Settings(max_length=1, discount=1.0, **{"share": 0.0, **settings}))


def test_it_begins_with_even_chances():
    assert Exp3Controller(Exp3Settings()).probabilities() == pytest.approx([1 / 9] * 9)


def test_a_gain_is_divided_by_the_chance_of_its_arm_and_adds_to_the_exponent():
    rule = two_arms(exploration=0.2, learning_rate=0.1)
    # The first step is as good as the usual rate, which is its own: gain 0, or 1/2 on the scale from 0 to 1.
    rule.update(reply(0, 100.0))
    weight = math.exp(0.1 * 0.5 / 0.5)
    assert rule.probabilities()[0] == pytest.approx(0.8 * weight / (weight + 1.0) + 0.1)


def test_the_gain_is_what_the_tokens_are_above_the_usual_rate_over_the_largest_so_far():
    rule = two_arms(exploration=0.2, learning_rate=0.1)
    rule.update(reply(0, 100.0))
    # 128 tokens in 300 ms are the usual rate: 64 in 200 ms fall short of it by 64·200·2/300 - 64 = 21.3, the largest
    # so far, so the gain is -1, or 0 on the scale: the chances stay.
    before = rule.probabilities()
    rule.update(reply(1, 200.0))
    assert rule.probabilities() == pytest.approx(before)
    # Now 192 in 400: 64 in 100 ms exceed it by 16, three quarters of the largest: 0.875 on the scale. The chance it is
    # divided by is that of the last draw, of which there was none since the beginning.
    rule.update(reply(0, 100.0))
    weight = math.exp(0.1 * 0.5 / 0.5 + 0.1 * 0.875 / 0.5)
    assert rule.probabilities()[0] == pytest.approx(0.8 * weight / (weight + 1.0) + 0.1)


def test_a_failure_loses_all_of_its_time():
    rule = two_arms(exploration=0.2, learning_rate=0.1)
    rule.update(reply(0, 100.0))
    rule.update(Outcome(1, success=False, latency_ms=5_000.0))
    for _ in range(20):
        rule.update(reply(0, 100.0))
    assert rule.probabilities()[0] > 0.8


def test_no_chance_falls_below_its_part_of_the_exploration():
    rule = two_arms(exploration=0.2, learning_rate=1.0)
    for _ in range(5000):
        rule.update(reply(0, 100.0))
    assert rule.probabilities() == pytest.approx([0.9, 0.1])


def test_a_share_of_all_weight_keeps_every_arm_within_reach():
    rule = two_arms(exploration=1e-9, learning_rate=1.0, share=0.05)
    for _ in range(5000):
        rule.update(reply(0, 100.0))
    assert rule.probabilities()[1] > 0.02


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.floats(1e-3, 1e9)), max_size=200))
def test_chances_are_always_chances(steps):
    rule = Exp3Controller(Exp3Settings(learning_rate=1.0, share=0.0))
    for length, success, time_ms in steps:
        rule.update(Outcome(length, success, time_ms, completion_tokens=64 if success else None))
    chances = rule.probabilities()
    assert sum(chances) == pytest.approx(1.0)
    assert min(chances) >= 0.1 / 9 - 1e-12


def test_a_seed_repeats_its_choices_and_another_does_not():
    first, again, other = (
        lengths_chosen(Exp3Controller(Exp3Settings(seed=seed)), requests(best=4, seed=1), 100) for seed in (5, 5, 6)
    )
    assert first == again != other


@pytest.mark.parametrize("best", [0, 8])
def test_it_finds_the_best_length_of_requests(best):
    chosen = lengths_chosen(Exp3Controller(Exp3Settings()), requests(best, seed=best), 3000)
    assert favourite(chosen[1500:]) == best


def test_it_follows_a_change():
    rule = Exp3Controller(Exp3Settings(share=0.01))
    lengths_chosen(rule, requests(best=8, seed=1), 2000)
    assert favourite(lengths_chosen(rule, requests(best=0, seed=2), 3000)[2000:]) <= 1


def test_it_knows_what_a_draft_costs():
    rule = Exp3Controller(Exp3Settings())
    assert favourite(lengths_chosen(rule, rounds(0.3, seed=1, pass_ms=10.0), 4000)[2000:]) == 0


def test_what_was_not_its_choice_teaches_nothing():
    rule = Exp3Controller(Exp3Settings(max_length=1))
    rule.update(reply(7, 1.0))
    assert rule.probabilities() == [0.5, 0.5]


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        Exp3Settings(min_length=5, max_length=4)
