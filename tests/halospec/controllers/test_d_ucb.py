"""Discounted UCB, on sequences worked by hand and in seeded worlds."""

from __future__ import annotations

import math

import pytest

from bandit_worlds import favourite, lengths_chosen, requests, rounds
from halospec.controllers.d_ucb import DUcbController, DUcbSettings
from halospec.controllers.protocol import Outcome


def reply(draft_length: int, time_ms: float, tokens: int = 64) -> Outcome:
    return Outcome(draft_length, success=True, latency_ms=time_ms, completion_tokens=tokens)


def test_every_length_is_tried_once_first_from_the_shortest_on():
    assert lengths_chosen(DUcbController(DUcbSettings()), requests(best=3, seed=1), 9) == list(range(9))


def test_a_bound_is_the_rate_relative_to_the_best_and_a_bonus_for_what_is_not_known():
    # Without a discount: rates 0.64 and 0.32, one stretch of 64 tokens each.
    rule = DUcbController(DUcbSettings(max_length=1, discount=1.0, bonus=0.25))
    rule.update(reply(0, 100.0))
    rule.update(reply(1, 200.0))
    tried = 1
    # Length 1 comes back once 1 + b·sqrt(ln(2 + tried) / tried) < 0.5 + b·sqrt(ln(2 + tried) / 1).
    while rule.choose() == 0:
        rule.update(reply(0, 100.0))
        tried += 1
    known = math.log(1 + tried + 1)
    assert 1.0 + 0.25 * math.sqrt(known / tried) < 0.5 + 0.25 * math.sqrt(known)
    before = math.log(1 + tried)
    assert 1.0 + 0.25 * math.sqrt(before / (tried - 1)) >= 0.5 + 0.25 * math.sqrt(before)


def test_without_a_bonus_it_stays_with_the_best_rate_and_equal_ones_go_to_the_shortest():
    rule = DUcbController(DUcbSettings(max_length=2, bonus=0.0))
    for length, time_ms in ((0, 200.0), (1, 100.0), (2, 100.0)):
        rule.update(reply(length, time_ms))
    assert rule.choose() == 1


def test_a_failure_counts_as_time_lost():
    rule = DUcbController(DUcbSettings(max_length=1, bonus=0.0))
    rule.update(reply(0, 150.0))
    rule.update(reply(1, 100.0))
    assert rule.choose() == 1
    rule.update(Outcome(1, success=False, latency_ms=60_000.0))
    assert rule.choose() == 0


def test_it_goes_on_when_nothing_ever_succeeds():
    rule = DUcbController(DUcbSettings())
    chosen = lengths_chosen(rule, lambda k: Outcome(k, success=False, latency_ms=100.0), 40)
    assert set(chosen) == set(range(9))


def test_what_says_nothing_or_was_not_its_choice_teaches_nothing():
    rule = DUcbController(DUcbSettings(max_length=1, bonus=0.0))
    rule.update(Outcome(0, success=True, latency_ms=100.0))
    rule.update(reply(7, 1.0))
    assert rule.choose() == 0


@pytest.mark.parametrize("best", [0, 3, 8])
def test_it_finds_the_best_length_of_requests(best):
    chosen = lengths_chosen(DUcbController(DUcbSettings()), requests(best, seed=best), 300)
    assert favourite(chosen[100:]) == best


def test_it_follows_a_change():
    rule = DUcbController(DUcbSettings())
    lengths_chosen(rule, requests(best=7, seed=1), 200)
    assert favourite(lengths_chosen(rule, requests(best=1, seed=2), 200)[100:]) == 1


def test_the_same_settings_serve_rounds_and_know_what_a_draft_costs():
    # At 0.3 accepted, tokens per round rise with k; with passes of 10 ms against 20, tokens per second fall from k = 0.
    rule = DUcbController(DUcbSettings())
    assert favourite(lengths_chosen(rule, rounds(0.3, seed=1, pass_ms=10.0), 4000)[2000:]) == 0
    rule = DUcbController(DUcbSettings())
    assert favourite(lengths_chosen(rule, rounds(0.95, seed=1, pass_ms=1.0), 4000)[2000:]) >= 6


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        DUcbSettings(min_length=5, max_length=4)
