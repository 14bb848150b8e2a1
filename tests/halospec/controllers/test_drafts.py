"""What is known of a step's drafts, from the most that a server may say to the least."""

from __future__ import annotations

from dataclasses import replace

from halospec.controllers.drafts import Drafts, drafts_of
from steps_by_hand import failure, request_of, round_of

TWO_ROUNDS = (round_of(4, 4), round_of(1, 3, limit=4))


def test_logged_rounds_are_told_apart():
    assert drafts_of(request_of(*TWO_ROUNDS)) == (Drafts(1, 4, 4, 4), Drafts(1, 4, 3, 1))


def test_totals_are_one():
    assert drafts_of(request_of(*TWO_ROUNDS, logged=False)) == (Drafts(2, 4, 7, 5),)


def test_rounds_that_were_not_counted_are_the_fewest_in_which_so_much_can_be_drafted():
    five = (*[round_of(2, 4)] * 4, round_of(0, 1, limit=4))
    assert drafts_of(request_of(*five, logged=False, counted=False)) == (Drafts(5, 4, 17, 8),)


def test_a_failure_says_nothing_and_neither_does_a_server_that_does_not_count():
    assert drafts_of(failure()) == ()
    assert drafts_of(replace(request_of(*TWO_ROUNDS, logged=False), accepted=None)) == ()
    assert drafts_of(replace(request_of(*TWO_ROUNDS, logged=False), drafted=None)) == ()


def test_plain_decoding_drafts_nothing_whether_or_not_the_server_says_so():
    plain = request_of(round_of(0, 0), round_of(0, 0), logged=False)
    assert drafts_of(plain) == (Drafts(2, 0, 0, 0),)
    assert drafts_of(replace(plain, drafted=None, accepted=None, rounds=None)) == (Drafts(1, 0, 0, 0),)


def test_nothing_drafted_is_not_all_kept():
    assert Drafts(1, 4, 2, 2).all_kept
    assert not Drafts(1, 4, 2, 1).all_kept
    assert not Drafts(1, 4, 0, 0).all_kept


def test_one_round_was_held_back_if_its_draft_was_as_long_as_it_might_be():
    assert Drafts(1, 4, 4, 0).held_back
    assert not Drafts(1, 4, 3, 3).held_back


def test_of_several_at_least_one_was_if_there_are_more_tokens_than_shorter_drafts_can_hold():
    # Three drafts of at most 3 hold 9.
    assert Drafts(3, 4, 10, 10).held_back
    assert not Drafts(3, 4, 9, 9).held_back
