"""Thompson sampling over draft lengths."""

from __future__ import annotations

import pytest

from bandit_worlds import favourite, lengths_chosen, requests, rounds
from halospec.controllers.protocol import Outcome
from halospec.controllers.thompson import ThompsonController, ThompsonSettings


def reply(draft_length: int, time_ms: float) -> Outcome:
    return Outcome(draft_length, success=True, latency_ms=time_ms, completion_tokens=64)


def share_of_first(rule: ThompsonController, draws: int = 4000) -> float:
    return sum(rule.choose() == 0 for _ in range(draws)) / draws


def test_every_length_is_tried_once_first_from_the_shortest_on():
    assert lengths_chosen(ThompsonController(ThompsonSettings()), requests(best=3, seed=1), 9) == list(range(9))


def test_arms_are_chosen_as_often_as_their_normal_draws_are_the_highest():
    # Rates 0.64 and 0.576, spread 0.064 each: the difference is one of its own standard deviations times sqrt(1/2).
    rule = ThompsonController(ThompsonSettings(max_length=1, discount=1.0, spread=0.1))
    rule.update(reply(0, 100.0))
    rule.update(reply(1, 64 / 0.576))
    assert share_of_first(rule) == pytest.approx(0.7602, abs=0.02)  # Phi(1 / sqrt 2)


def test_posteriors_narrow_with_what_is_known():
    rule = ThompsonController(ThompsonSettings(max_length=1, discount=1.0, spread=0.1))
    for _ in range(16):
        rule.update(reply(0, 100.0))
        rule.update(reply(1, 64 / 0.576))
    assert share_of_first(rule) == pytest.approx(0.9977, abs=0.005)  # Phi(4 / sqrt 2)


def test_a_length_whose_only_step_failed_is_tried_again():
    rule = ThompsonController(ThompsonSettings(max_length=1))
    rule.update(Outcome(1, success=False, latency_ms=100.0))
    lengths_chosen(rule, requests(best=1, seed=1), 400)
    assert favourite(lengths_chosen(rule, requests(best=1, seed=2), 100)) == 1


def test_it_goes_on_when_nothing_ever_succeeds():
    rule = ThompsonController(ThompsonSettings())
    assert len(set(lengths_chosen(rule, lambda k: Outcome(k, success=False, latency_ms=100.0), 60))) > 1


def test_a_seed_repeats_its_choices_and_another_does_not():
    first, again, other = (
        lengths_chosen(ThompsonController(ThompsonSettings(seed=seed)), requests(best=4, seed=1), 100)
        for seed in (5, 5, 6)
    )
    assert first == again != other


@pytest.mark.parametrize("best", [0, 4, 8])
def test_it_finds_the_best_length_of_requests(best):
    chosen = lengths_chosen(ThompsonController(ThompsonSettings()), requests(best, seed=best), 300)
    assert favourite(chosen[100:]) == best


def test_it_follows_a_change():
    rule = ThompsonController(ThompsonSettings())
    lengths_chosen(rule, requests(best=7, seed=1), 200)
    assert favourite(lengths_chosen(rule, requests(best=1, seed=2), 200)[100:]) == 1


def test_the_same_settings_serve_rounds():
    rule = ThompsonController(ThompsonSettings())
    assert favourite(lengths_chosen(rule, rounds(0.3, seed=1, pass_ms=10.0), 4000)[2000:]) == 0


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        ThompsonSettings(min_length=5, max_length=4)
