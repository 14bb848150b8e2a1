"""Drafts end where a rejection somewhere in them becomes too likely."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.stops.specdec_pp import LEAST_DOUBT, SpecDecPpRule, SpecDecPpSettings
from watched_drafts import drafted, play, sure

AS_OFFERED = {"bias": 0.0, "slope": 1.0, "entropy_slope": 0.0}
"""Coefficients with which a token's predicted acceptance is its probability."""


def test_a_draft_may_always_be_as_long_as_the_longest():
    assert SpecDecPpRule(SpecDecPpSettings(max_length=5)).for_text().choose() == Setting(5)


@pytest.mark.parametrize(
    ("offered", "k"),
    [
        # 1 - 0.8^n: 0.2, 0.36, 0.488, 0.5904, 0.672, 0.738
        ([0.8] * 12, 5),
        ([0.9, 0.3, 1.0], 1),
        ([0.1, 1.0], 1),
        ([1.0] * 12, 8),
        ([0.0, 1.0], 1),
    ],
    ids=["doubts add up", "one great doubt", "the first is proposed anyway, and counts", "certain", "impossible"],
)
def test_drafts_end_before_the_place_that_makes_a_rejection_too_likely(offered, k):
    text = SpecDecPpRule(SpecDecPpSettings(threshold=0.7, **AS_OFFERED)).for_text()
    assert drafted(text, [sure(p) for p in offered]) == k


def test_each_draft_begins_without_doubts():
    text = SpecDecPpRule(SpecDecPpSettings(threshold=0.7, **AS_OFFERED)).for_text()
    assert [play(text, [sure(0.8)] * 8, accepted=0).k for _ in range(5)] == [5] * 5


@pytest.mark.parametrize(("threshold", "k"), [(0.0, 1), (1.0, 8)])
def test_a_threshold_of_0_allows_no_doubt_and_one_of_1_any(threshold, k):
    text = SpecDecPpRule(SpecDecPpSettings(threshold=threshold, **AS_OFFERED)).for_text()
    assert drafted(text, [sure(0.5)] * 12) == k


def test_acceptance_is_a_logistic_function_of_log_odds_and_entropy():
    settings = SpecDecPpSettings(bias=0.5, slope=2.0, entropy_slope=-1.5)
    odds = math.exp(0.5 + 2.0 * math.log(0.8 / 0.2) - 1.5 * 0.4)
    assert settings.acceptance(DraftPlace(0.8, 0.4)) == pytest.approx(odds / (1 + odds))


def test_as_offered_it_is_the_probability_kept_off_0_and_1():
    settings = SpecDecPpSettings(**AS_OFFERED)
    offered = [0.0, 0.25, 0.5, 1.0]
    assert [settings.acceptance(sure(p)) for p in offered] == pytest.approx([LEAST_DOUBT, 0.25, 0.5, 1 - LEAST_DOUBT])


@given(st.floats(0, 1), st.floats(0, 12), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_it_is_a_probability_whatever_the_coefficients(probability, entropy, bias, slope, entropy_slope):
    settings = SpecDecPpSettings(bias=bias, slope=slope, entropy_slope=entropy_slope)
    assert 0.0 <= settings.acceptance(DraftPlace(probability, entropy)) <= 1.0


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        SpecDecPpSettings(min_length=5, max_length=4)
