"""What a step brought and took, and what is left of it later."""

from __future__ import annotations

import pytest

from halospec.controllers.arms import Arms, Earned, earned_in
from halospec.controllers.per_round import outcome_of_round
from halospec.controllers.protocol import Outcome, RoundOutcome


def test_a_streamed_request_earns_its_tokens_after_the_first_in_the_time_after_the_first():
    outcome = Outcome(4, success=True, latency_ms=700.0, completion_tokens=64, decode_ms=500.0)
    assert earned_in(outcome) == Earned(63, 500.0)


def test_where_rounds_are_counted_they_tell_how_many_tokens_that_were():
    outcome = Outcome(4, True, 700.0, completion_tokens=64, drafted=80, accepted=40, rounds=22, decode_ms=500.0)
    assert earned_in(outcome) == Earned(62, 500.0)


def test_a_request_that_was_not_streamed_earns_all_tokens_in_all_of_its_time():
    assert earned_in(Outcome(4, success=True, latency_ms=700.0, completion_tokens=64)) == Earned(64, 700.0)


def test_a_streamed_request_that_came_in_one_piece_earns_all_tokens_in_all_of_its_time():
    outcome = Outcome(4, True, 700.0, completion_tokens=64, accepted=40, rounds=23, decode_ms=0.0)
    assert earned_in(outcome) == Earned(64, 700.0)


def test_a_round_earns_what_was_accepted_and_one_more():
    done = RoundOutcome(limit=4, k=4, accepted=2, draft_ms=30.0, verify_ms=40.0)
    assert earned_in(outcome_of_round(done)) == Earned(3, 70.0)


def test_a_failure_earns_nothing_in_the_time_it_cost():
    assert earned_in(Outcome(4, success=False, latency_ms=900.0)) == Earned(0.0, 900.0)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(4, success=True, latency_ms=700.0),
        Outcome(4, success=True, latency_ms=700.0, decode_ms=500.0),
        Outcome(4, success=True, latency_ms=700.0, completion_tokens=1, decode_ms=0.0),
        Outcome(4, success=True, latency_ms=0.0, completion_tokens=3),
        Outcome(4, success=False, latency_ms=0.0),
    ],
    ids=["no count", "no count, streamed", "one token", "no time", "failed in no time"],
)
def test_a_step_that_says_nothing_earns_none(outcome):
    assert earned_in(outcome) is None


def test_a_rate_is_a_ratio_of_sums_and_not_a_mean_of_ratios():
    arms = Arms(0, 1, discount=1.0, stretch_tokens=64)
    arms.add(1, Earned(9, 10.0))
    arms.add(1, Earned(1, 40.0))
    assert arms.rates() == [0.0, pytest.approx(10 / 50)]  # the mean of 0.9 and 0.025 would be 0.46


def test_what_is_known_fades_with_every_stretch_of_tokens_however_many_steps_they_take():
    in_one, in_many = (Arms(0, 1, discount=0.5, stretch_tokens=64) for _ in range(2))
    for arms in (in_one, in_many):
        arms.add(0, Earned(64, 100.0))
    in_one.add(1, Earned(64, 100.0))
    for _ in range(32):
        in_many.add(1, Earned(2, 100.0 / 32))
    assert [in_one.stretches[0], in_many.stretches[0]] == pytest.approx([0.5, 0.5])
    assert in_one.rates() == pytest.approx([0.64, 0.64])
    assert in_many.rates() == pytest.approx([0.64, 0.64])


def test_a_failure_counts_for_a_whole_stretch():
    arms = Arms(0, 1, discount=0.5, stretch_tokens=64)
    arms.add(0, Earned(64, 100.0))
    assert arms.add(0, Earned(0.0, 900.0)) == 0.5
    assert arms.stretches[0] == pytest.approx(1.5)
    assert arms.rates()[0] == pytest.approx(32 / 950)


def test_the_overall_rate_is_of_all_arms_as_they_were_used():
    arms = Arms(2, 4, discount=1.0, stretch_tokens=64)
    assert arms.overall_rate() == 0.0
    arms.add(2, Earned(30, 100.0))
    arms.add(4, Earned(30, 200.0))
    assert arms.overall_rate() == pytest.approx(60 / 300)


def test_an_arm_is_untried_again_once_all_that_was_known_of_it_has_faded():
    arms = Arms(0, 1, discount=0.5, stretch_tokens=1)
    assert arms.untried() == 0
    arms.add(0, Earned(1, 1.0))
    assert arms.untried() == 1
    arms.add(1, Earned(1, 1.0))
    assert arms.untried() is None
    arms.add(1, Earned(5000, 1.0))
    assert arms.untried() == 0
