"""Which places of a draft the target has judged."""

from __future__ import annotations

import pytest

from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.watching import WatchedDraft
from watched_drafts import sure

PLACES = tuple(sure(p) for p in (0.9, 0.8, 0.7, 0.6))


def watched(places: int, min_length: int = 0) -> WatchedDraft:
    draft = WatchedDraft(min_length)
    draft.begin()
    for place in PLACES[:places]:
        draft.reaches(place)
    return draft


def after(k: int, accepted: int) -> RoundOutcome:
    return RoundOutcome(limit=8, k=k, accepted=accepted, draft_ms=1.0, verify_ms=1.0)


@pytest.mark.parametrize(
    ("k", "accepted", "verdicts"),
    [
        (3, 3, [True, True, True]),
        (3, 2, [True, True, False]),
        (3, 0, [False]),
        (1, 0, [False]),
        (0, 0, []),
    ],
    ids=["all kept", "the last rejected", "the first rejected", "one, rejected", "nothing drafted"],
)
def test_places_are_judged_up_to_the_first_rejection(k, accepted, verdicts):
    assert watched(places=k).verdicts(after(k, accepted)) == list(zip(PLACES, verdicts, strict=False))


def test_the_place_that_ended_the_draft_is_never_judged():
    assert watched(places=3).verdicts(after(2, 2)) == [(PLACES[0], True), (PLACES[1], True)]


def test_nothing_is_known_of_a_draft_that_was_not_watched_from_its_first_place_on():
    assert watched(places=1).verdicts(after(2, 2)) == []


def test_a_new_draft_forgets_the_last_one():
    draft = watched(places=3)
    draft.begin()
    assert draft.verdicts(after(1, 1)) == []


def test_a_draft_may_end_once_it_is_long_enough():
    draft = WatchedDraft(min_length=2)
    for _ in range(2):
        draft.begin()
        assert [draft.reaches(place) for place in PLACES] == [False, False, True, True]
