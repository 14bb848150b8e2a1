"""Drafts end where a bound from entropy is below lambda, and lambda follows the acceptance rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.decision import Setting
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.ada_edl import AdaEdlRule, AdaEdlSettings, AdaEdlThreshold
from watched_drafts import drafted, play, spread


def after(limit: int, k: int, accepted: int) -> RoundOutcome:
    return RoundOutcome(limit=limit, k=k, accepted=accepted, draft_ms=1.0, verify_ms=1.0)


def moved(*rounds: RoundOutcome, **settings: float) -> float:
    """How far lambda is from where it began."""
    threshold = AdaEdlThreshold(AdaEdlSettings(**settings))
    for done in rounds:
        threshold.learn(done)
    return threshold.value - threshold._settings.threshold


def test_a_draft_may_always_be_as_long_as_the_longest():
    assert AdaEdlRule(AdaEdlSettings(max_length=5)).for_text().choose() == Setting(5)


@pytest.mark.parametrize(
    ("offered", "k"),
    [
        # 1 - sqrt(0.2 · 1.25) = 0.5
        ([0.0, 1.24, 1.26, 0.0], 2),
        ([9.0, 0.1, 9.0], 2),
        ([0.0] * 12, 8),
        ([-1e-7] * 12, 8),
    ],
    ids=["up to 1.25 nats", "the first is proposed anyway", "no entropy, to the longest", "rounding below no entropy"],
)
def test_drafts_end_before_the_first_place_whose_bound_is_below_lambda(offered, k):
    assert drafted(AdaEdlRule(AdaEdlSettings()).for_text(), [spread(entropy) for entropy in offered]) == k


def test_at_lambda_it_goes_on():
    text = AdaEdlRule(AdaEdlSettings(gamma=0.25)).for_text()
    assert drafted(text, [spread(1.0), spread(1.0), spread(1.001)]) == 2


def test_a_poor_round_raises_lambda_by_a_tenth_of_a_step():
    # rate = 0.5·0.9 + 0.5·1/4 = 0.575 < 0.9
    assert moved(after(8, 4, 1)) == pytest.approx(0.1 * 0.01)


def test_a_short_draft_kept_in_full_lowers_it():
    # rate = 0.95
    assert moved(after(8, 4, 4)) == pytest.approx(-0.1 * 0.01)


def test_a_draft_as_long_as_it_may_be_and_kept_leaves_it():
    assert moved(after(8, 8, 8)) == moved(after(3, 3, 3)) == 0.0


def test_the_rate_is_smoothed_over_rounds():
    # .575 · .5 + .5 = .7875, then .89375, then .946875: three rounds below the target, one above it
    rounds = [after(8, 4, 1), *[after(8, 4, 4)] * 3]
    assert moved(*rounds) == pytest.approx(0.001 * (3 - 1))


def test_a_round_without_a_draft_says_nothing():
    assert moved(*[after(8, 0, 0)] * 9) == 0.0


@given(st.lists(st.integers(0, 4), max_size=300))
def test_lambda_stays_between_0_and_1(accepted):
    rounds = [after(8, 4, kept) for kept in accepted]
    assert 0.0 <= 0.5 + moved(*rounds, step=1.0, threshold_memory=0.0) <= 1.0


def test_a_text_learns_from_its_rounds():
    text = AdaEdlRule(AdaEdlSettings(step=0.5, threshold_memory=0.0)).for_text()
    assert play(text, [spread(0.1), spread(0.1)], accepted=0).k == 2
    # Lambda is 1 now: only where there is no entropy at all does a draft go on.
    assert drafted(text, [spread(0.1), spread(0.1)]) == 1
    assert drafted(text, [spread(0.0), spread(0.0)]) == 2


@pytest.mark.parametrize(("shared", "k"), [(False, 2), (True, 1)])
def test_texts_have_lambdas_of_their_own_unless_they_share_one(shared, k):
    rule = AdaEdlRule(AdaEdlSettings(step=0.5, threshold_memory=0.0, shared=shared))
    first, second = rule.for_text(), rule.for_text()
    play(first, [spread(0.1), spread(0.1)], accepted=0)
    assert drafted(second, [spread(0.1), spread(0.1)]) == k


def test_lengths_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        AdaEdlSettings(min_length=5, max_length=4)
