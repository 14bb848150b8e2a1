"""Additive increase and multiplicative decrease, step by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.aimd import AimdController, AimdSettings
from halospec.controllers.per_round import outcome_of_round
from steps_by_hand import failure, lengths_after_rounds, request_of, round_of


def rule(**settings: float) -> AimdController:
    return AimdController(AimdSettings(**settings))


def after(*steps, **settings: float) -> int:
    controller = rule(**settings)
    for step in steps:
        controller.update(step)
    return controller.choose()


def test_it_climbs_by_one_while_drafts_are_kept_in_full_up_to_eight():
    assert lengths_after_rounds(rule(), [4, 5, 6, 7, 8]) == [4, 5, 6, 7, 8, 8]


def test_it_halves_rounded_down_when_fewer_than_half_are_kept():
    assert lengths_after_rounds(rule(start_length=7), [3, 1, 0]) == [7, 3, 1, 1]


def test_with_half_or_more_kept_but_not_all_it_stays():
    assert lengths_after_rounds(rule(start_length=6), [3, 4, 5, 2]) == [6, 6, 6, 6, 3]


def test_a_draft_shorter_than_allowed_does_not_raise_it_but_may_halve_it():
    assert after(outcome_of_round(round_of(2, 2, limit=4))) == 4
    assert after(outcome_of_round(round_of(0, 1, limit=4))) == 2


def test_a_round_without_a_draft_and_a_failure_teach_nothing():
    assert after(outcome_of_round(round_of(0, 0, limit=4)), failure()) == 4


def test_in_the_client_it_moves_once_for_every_logged_round():
    # 4 + 1 + 1, then half of 6, then as it is
    request = request_of(round_of(4, 4), round_of(4, 4), round_of(1, 4), round_of(2, 4))
    assert after(request) == 3


def test_without_a_log_a_request_is_one_step():
    # 7 of 12 kept
    assert after(request_of(round_of(4, 4), round_of(3, 4), round_of(0, 4), logged=False)) == 4
    # 5 of 12
    assert after(request_of(round_of(4, 4), round_of(1, 4), round_of(0, 4), logged=False)) == 2


def test_its_numbers_are_settings():
    controller = rule(start_length=6, min_length=2, max_length=10, increase=2, decrease=0.75, least_kept=1.0)
    # 6 + 2; 8 + 2; ⌊7.5⌋ for a single token lost; ⌊5.25⌋; ⌊3.75⌋; ⌊2.25⌋; 2 at the least
    assert lengths_after_rounds(controller, [6, 8, 9, 0, 0, 0, 0]) == [6, 8, 10, 7, 5, 3, 2, 2]


def test_it_starts_within_its_bounds():
    with pytest.raises(ValueError, match="start_length must lie from min_length to max_length, here 1 to 3"):
        AimdSettings(max_length=3)


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=60))
def test_no_sequence_of_rounds_drives_it_out_of_its_bounds(rounds):
    controller = rule()
    for one, other in rounds:
        controller.update(outcome_of_round(round_of(min(one, other), max(one, other))))
        assert 1 <= controller.choose() <= 8
