"""Rounds out of running draft counts: exactly what happened, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.endpoints.running_counts import RunningCount, rounds_behind
from halospec.records.schema import Round

rounds = st.lists(
    st.integers(0, 5).flatmap(lambda k: st.builds(Round, k=st.just(k), accepted=st.integers(0, k))), max_size=12
)


def counts_of(happened: list[Round], unseen_at_the_end: int = 0) -> list[RunningCount]:
    """Count as llama-server does: a round's drafts with its first token, then token by token.

    The reply may end (by an end-of-text token, say) before the last round's tokens are all used.
    """
    counts = [RunningCount(1, 0, 0)]
    for number, happening in enumerate(happened, 1):
        cut_off = min(unseen_at_the_end, happening.accepted) if number == len(happened) else 0
        before = counts[-1]
        drafted, accepted = before.drafted + happening.k, before.accepted + happening.accepted
        tokens = range(1, happening.accepted + 2 - cut_off)
        counts += [RunningCount(before.predicted + token, drafted, accepted) for token in tokens]
    return counts


@given(happened=rounds, cut_off=st.integers(0, 5))
def test_with_an_event_for_every_token_the_rounds_are_found_exactly(happened, cut_off):
    assert rounds_behind(counts_of(happened, cut_off)) == tuple(happened)


@given(happened=rounds, cut_off=st.integers(0, 5), data=st.data())
def test_where_tokens_have_no_event_of_their_own_the_rounds_are_found_exactly_or_not_at_all(happened, cut_off, data):
    counts = counts_of(happened, cut_off)
    shown = data.draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts)))
    # The last one, the reply's total, is always there.
    seen = [count for count, is_shown in zip(counts[:-1], shown, strict=False) if is_shown] + counts[-1:]

    assert rounds_behind(seen) in (tuple(happened), None)


@given(happened=rounds, data=st.data())
def test_an_event_that_repeats_a_count_changes_nothing(happened, data):
    counts = counts_of(happened)
    times = data.draw(st.lists(st.integers(1, 3), min_size=len(counts), max_size=len(counts)))

    repeated = [count for count, n in zip(counts, times, strict=True) for _ in range(n)]

    assert rounds_behind(repeated) == tuple(happened)


def test_a_token_without_an_event_is_put_where_the_next_round_proves_it_to_be():
    # The second token is the first half of a character; the round that made it shows with the third.
    seen = [RunningCount(1, 0, 0), RunningCount(3, 4, 2), RunningCount(4, 4, 2), RunningCount(5, 8, 2)]

    assert rounds_behind(seen) == (Round(k=4, accepted=2), Round(k=4, accepted=0))


def test_a_step_that_may_be_that_of_two_rounds_is_not_guessed_at():
    # Token 3 may be the third of one round of 8, or the first of a second round of 4.
    assert rounds_behind([RunningCount(1, 0, 0), RunningCount(3, 8, 2), RunningCount(6, 12, 3)]) is None


def test_plain_decoding_is_a_round_a_token_after_the_first():
    assert rounds_behind([RunningCount(1, 0, 0), RunningCount(4, 0, 0)]) == (Round(k=0, accepted=0),) * 3
    assert rounds_behind([RunningCount(1, 0, 0)]) == ()


@pytest.mark.parametrize(
    "counts",
    [
        [(2, 0, 0), (1, 0, 0)],
        [(1, 0, 0), (2, 4, 2), (3, 3, 2)],
        [(1, 0, 0), (2, 4, 2), (3, 8, 1)],
        [(1, 0, 0), (2, 4, 5)],
        [(1, 0, 0), (2, 0, 1)],
        [(1, 4, 2)],
        [(1, 0, 0), (2, 4, 2), (3, 8, 4)],
    ],
    ids=[
        "fewer tokens",
        "fewer drafted",
        "fewer accepted",
        "more accepted than drafted",
        "accepted without a draft",
        "a draft before the first token",
        "a round within a round",
    ],
)
def test_counts_that_contradict_each_other_give_no_rounds(counts):
    assert rounds_behind([RunningCount(*count) for count in counts]) is None
