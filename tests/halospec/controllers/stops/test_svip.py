"""Drafts end where the entropy is too high."""

from __future__ import annotations

import pytest

from halospec.controllers.decision import Setting
from halospec.controllers.stops.svip import SvipRule, SvipSettings
from watched_drafts import drafted, play, spread


def test_a_draft_may_always_be_as_long_as_the_longest():
    assert SvipRule(SvipSettings(max_length=5)).for_text().choose() == Setting(5)


@pytest.mark.parametrize(
    ("offered", "k"),
    [
        # sqrt(0.15 · 0.6) = 0.3
        ([0.1, 0.59, 0.61, 0.1], 2),
        ([9.0, 0.1, 9.0], 2),
        ([0.0] * 12, 8),
    ],
    ids=["up to 0.6 nats", "the first is proposed anyway", "no entropy, to the longest"],
)
def test_drafts_end_before_the_first_place_with_too_much_entropy(offered, k):
    assert drafted(SvipRule(SvipSettings()).for_text(), [spread(entropy) for entropy in offered]) == k


def test_at_the_threshold_it_goes_on_and_without_one_it_goes_on_where_there_is_no_doubt_at_all():
    certain = SvipRule(SvipSettings(threshold=0.0)).for_text()
    assert drafted(certain, [spread(0.0), spread(0.0), spread(0.001)]) == 2
    half = SvipRule(SvipSettings(threshold=0.5, scale=0.25)).for_text()
    assert drafted(half, [spread(1.0), spread(1.0), spread(1.0001)]) == 2


def test_nothing_that_happens_moves_the_threshold():
    text = SvipRule(SvipSettings()).for_text()
    assert [play(text, [spread(0.5), spread(0.5), spread(0.7)], accepted=0).k for _ in range(50)] == [2] * 50


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        SvipSettings(min_length=5, max_length=4)
