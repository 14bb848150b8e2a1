"""Hugging Face's rule, step by step, and where it departs from the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.heuristic import HeuristicController, HeuristicSettings
from halospec.controllers.per_round import outcome_of_round
from steps_by_hand import failure, lengths_after_rounds, request_of, round_of


def rule(**settings: int) -> HeuristicController:
    return HeuristicController(HeuristicSettings(**settings))


def after(*steps, **settings: int) -> int:
    controller = rule(**settings)
    for step in steps:
        controller.update(step)
    return controller.choose()


def test_it_adds_two_after_full_acceptance_and_takes_one_after_a_rejection():
    # 5 + 2; 7 + 2 = 9, over the ceiling; then 8 − 1, 7 − 1, 6 + 2
    assert lengths_after_rounds(rule(), [5, 7, 7, 0, 6]) == [5, 7, 8, 7, 6, 8]


def test_it_never_goes_below_one():
    assert lengths_after_rounds(rule(start_length=2), [0, 0, 0, 1]) == [2, 1, 1, 1, 3]


def test_one_token_lost_of_a_long_draft_is_a_rejection_like_any_other():
    assert lengths_after_rounds(rule(start_length=8), [7]) == [8, 7]


def test_a_round_without_a_draft_teaches_nothing():
    assert after(outcome_of_round(round_of(0, 0, limit=5))) == 5


def test_a_draft_shorter_than_allowed_does_not_raise_the_length():
    assert after(outcome_of_round(round_of(3, 3, limit=5))) == 5


def test_a_rejection_in_a_draft_shorter_than_allowed_lowers_it():
    assert after(outcome_of_round(round_of(2, 3, limit=5))) == 4


def test_in_the_client_it_moves_once_for_every_logged_round():
    # 4: kept in full, 6; then two rejections, 5 and 4; then an empty draft.
    request = request_of(round_of(4, 4), round_of(1, 4), round_of(3, 4), round_of(0, 0, limit=4))
    assert after(request, start_length=4) == 4


def test_without_a_log_a_request_is_one_step():
    kept, not_kept = (round_of(4, 4), round_of(4, 4)), (round_of(4, 4), round_of(3, 4))
    assert after(request_of(*kept, logged=False), start_length=4) == 6
    assert after(request_of(*not_kept, logged=False), start_length=4) == 3


def test_a_failure_teaches_nothing():
    assert after(failure()) == 5


def test_its_numbers_are_settings():
    controller = rule(start_length=6, min_length=3, max_length=10, step_up=3, step_down=2)
    assert lengths_after_rounds(controller, [6, 9, 0, 0, 0, 0, 0]) == [6, 9, 10, 8, 6, 4, 3, 3]


@pytest.mark.parametrize("settings", [{"start_length": 9}, {"start_length": 2, "min_length": 3}, {"max_length": 4}])
def test_it_starts_within_its_bounds(settings):
    with pytest.raises(ValueError, match="start_length must lie from min_length to max_length"):
        HeuristicSettings(**settings)


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=60))
def test_no_sequence_of_rounds_drives_it_out_of_its_bounds(rounds):
    controller = rule()
    for one, other in rounds:
        controller.update(outcome_of_round(round_of(min(one, other), max(one, other))))
        assert 1 <= controller.choose() <= 8
