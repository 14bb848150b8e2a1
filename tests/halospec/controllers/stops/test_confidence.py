"""Drafts end where the likeliest token is not likely enough, and what is enough is learned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.decision import Setting
from halospec.controllers.stops.confidence import ConfidenceRule, ConfidenceSettings, ConfidenceThreshold
from watched_drafts import drafted, play, sure

Judged = list[tuple[float, bool]]


def learned(judged: Judged, memory: int = 128, cost: float = 3.0) -> float:
    threshold = ConfidenceThreshold(0.4, cost, memory)
    for confidence, kept in judged:
        threshold.add(confidence, kept)
    threshold.adapt()
    return threshold.value


def cheapest(judged: Judged, cost: float = 3.0) -> float:
    """The threshold as the source's ROC curve gives it: the first of equally cheap ones, from the highest down."""
    confidence, kept = np.array([c for c, _ in judged]), np.array([k for _, k in judged])
    thresholds = np.unique(confidence)[::-1]
    wrong = np.array([(confidence[~kept] >= t).mean() for t in thresholds])
    missed = np.array([(confidence[kept] < t).mean() for t in thresholds])
    total = np.round(wrong + cost * missed, 9)
    return float(thresholds[total.argmin()])


def test_a_draft_may_always_be_as_long_as_the_longest():
    assert ConfidenceRule(ConfidenceSettings(max_length=5)).for_text().choose(sequences=3) == Setting(5)


@pytest.mark.parametrize(
    ("offered", "k"),
    [
        ([0.9, 0.9, 0.39, 0.9], 2),
        ([0.4, 0.4, 0.4], 3),
        ([0.0, 0.9, 0.3], 2),
        ([1.0] * 12, 8),
    ],
    ids=["up to the doubtful one", "at the threshold it goes on", "the first is proposed anyway", "to the longest"],
)
def test_drafts_end_before_the_first_token_below_the_threshold(offered, k):
    text = ConfidenceRule(ConfidenceSettings()).for_text()
    assert drafted(text, [sure(p) for p in offered]) == k


def test_with_no_least_length_a_draft_may_be_empty():
    text = ConfidenceRule(ConfidenceSettings(min_length=0)).for_text()
    assert drafted(text, [sure(0.39)]) == 0


def test_the_threshold_moves_to_where_wrong_and_missed_tokens_cost_least():
    # Kept .9 .8 .7 .5, rejected .6 .3. At .5: half of the rejected above it, nothing missed: 1/2. At .7: 0 + 3/4.
    assert learned([(0.9, True), (0.8, True), (0.6, False), (0.7, True), (0.5, True), (0.3, False)]) == 0.5


def test_of_equally_cheap_thresholds_it_takes_the_highest():
    # Kept .9 .8 .7 of six, and .5; rejected .6 and .4: with misses at 2, .5 costs 1/2 + 0 and .7 costs 0 + 2/4.
    judged = [(0.9, True), (0.8, True), (0.7, True), (0.5, True), (0.6, False), (0.4, False)]
    assert learned(judged, cost=2.0) == 0.7


@pytest.mark.parametrize(
    "judged",
    [
        [(0.9, True)] * 4 + [(0.2, False)],
        [(0.9, True)] * 20,
        [(0.9, False)] * 20,
        [],
    ],
    ids=["five", "all kept", "none kept", "none"],
)
def test_it_takes_more_than_five_tokens_and_both_kinds(judged):
    assert learned(judged) == 0.4


@given(
    st.lists(st.tuples(st.sampled_from([i / 8 for i in range(9)]), st.booleans()), min_size=6, max_size=60),
    st.sampled_from([1.0, 2.0, 3.0]),
)
def test_it_is_the_threshold_of_the_sources_curve(judged, cost):
    if {kept for _, kept in judged} == {True, False}:
        assert learned(judged, cost=cost) == cheapest(judged, cost)


def test_only_the_latest_tokens_count():
    old = [(0.9, False), (0.1, True)] * 10
    new = [(0.9, True), (0.2, False)] * 5
    assert learned(old + new, memory=10) == learned(new) == 0.9
    assert learned(old + new, memory=100) == cheapest(old + new) != 0.9


def test_a_text_learns_from_its_rounds():
    text = ConfidenceRule(ConfidenceSettings()).for_text()
    for _ in range(3):
        assert play(text, [sure(0.3), sure(0.6)], accepted=1).k == 2
    # Kept .3 three times, rejected .6 as often: .3 costs 1, and .6 costs 1 + 3. First tokens made it fall below .4.
    assert drafted(text, [sure(0.9), sure(0.35)]) == 2
    assert drafted(text, [sure(0.9), sure(0.25)]) == 1


def test_a_draft_that_room_cut_off_is_judged_as_far_as_it_went():
    text = ConfidenceRule(ConfidenceSettings(memory=6)).for_text()
    for _ in range(3):
        play(text, [sure(0.9), sure(0.5)], accepted=1, room=2)  # kept .9, rejected .5
    assert drafted(text, [sure(0.9), sure(0.8)]) == 1  # the threshold is .9 now


def test_without_adaptation_the_threshold_stays():
    text = ConfidenceRule(ConfidenceSettings(adapt=False)).for_text()
    for _ in range(10):
        play(text, [sure(0.9), sure(0.5)], accepted=1)
    assert drafted(text, [sure(0.9), sure(0.4)]) == 2


@pytest.mark.parametrize(("shared", "k"), [(False, 2), (True, 1)])
def test_texts_have_thresholds_of_their_own_unless_they_share_one(shared, k):
    rule = ConfidenceRule(ConfidenceSettings(shared=shared))
    first, second = rule.for_text(), rule.for_text()
    for _ in range(10):
        play(first, [sure(0.9), sure(0.5)], accepted=1)
    assert drafted(second, [sure(0.9), sure(0.6)]) == k


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        ConfidenceSettings(min_length=5, max_length=4)
