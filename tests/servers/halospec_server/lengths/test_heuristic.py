from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round
from halospec_server.lengths.heuristic import HeuristicLength


def went(limit: int, drafted: int, accepted: int) -> Round:
    return Round(limit, drafted, accepted, 0, 0, 0, 0, 1, drafted + 1, 1, 1)


def after(start: int, *rounds: tuple[int, int]) -> int:
    """Return the length after rounds of so many drafted and so many accepted."""
    policy = HeuristicLength(start)
    for drafted, accepted in rounds:
        policy.update(went(policy.choose(), drafted, accepted))
    return policy.choose()


def test_it_starts_from_5_unless_told_otherwise() -> None:
    assert HeuristicLength().choose() == 5
    assert HeuristicLength(start=8).choose() == 8


def test_full_acceptance_adds_two_and_a_rejection_takes_one_away() -> None:
    assert after(5, (5, 5)) == 7
    assert after(5, (5, 4)) == 4
    assert after(5, (5, 0)) == 4
    assert after(5, (5, 5), (7, 6), (6, 6)) == 8


def test_it_never_falls_below_1() -> None:
    assert after(1, (1, 0), (1, 0)) == 1


def test_it_never_rises_above_the_longest_draft() -> None:
    assert after(MAX_DRAFT_LENGTH - 1, (MAX_DRAFT_LENGTH - 1,) * 2, (MAX_DRAFT_LENGTH,) * 2) == MAX_DRAFT_LENGTH


def test_a_round_without_a_draft_teaches_nothing() -> None:
    assert after(5, (0, 0)) == 5


def test_a_draft_shorter_than_allowed_can_lower_the_length_but_not_raise_it() -> None:
    assert after(5, (3, 3)) == 5
    assert after(5, (3, 2)) == 4


@given(start=st.integers(1, MAX_DRAFT_LENGTH), data=st.data())
def test_whatever_happens_it_chooses_a_draft_length(start: int, data: st.DataObject) -> None:
    policy = HeuristicLength(start)
    for _ in range(data.draw(st.integers(1, 20))):
        limit = policy.choose()
        assert 1 <= limit <= MAX_DRAFT_LENGTH
        drafted = data.draw(st.integers(0, limit))
        policy.update(went(limit, drafted, data.draw(st.integers(0, drafted))))


@pytest.mark.parametrize("start", [0, MAX_DRAFT_LENGTH + 1])
def test_a_start_out_of_range_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to {MAX_DRAFT_LENGTH}, not {start}"):
        HeuristicLength(start)
