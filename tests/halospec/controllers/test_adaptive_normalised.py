"""The original's rule as its README tells it, step by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.adaptive_normalised import AdaptiveNormalisedController, AdaptiveNormalisedSettings
from halospec.controllers.protocol import Outcome


def took(ms_per_token: float, tokens: int = 11) -> Outcome:
    """A streamed reply; its prompt took a second, which is nobody's time per token."""
    decode_ms = ms_per_token * (tokens - 1)
    return Outcome(4, success=True, latency_ms=1000 + decode_ms, completion_tokens=tokens, decode_ms=decode_ms)


def whole(ms_per_token: float, tokens: int = 10) -> Outcome:
    """A reply that was not streamed."""
    return Outcome(4, success=True, latency_ms=ms_per_token * tokens, completion_tokens=tokens)


FAILED = Outcome(4, success=False, latency_ms=5.0)


def controller(**settings: float) -> AdaptiveNormalisedController:
    """The rule with thresholds of 17 ms and 25.2 ms: 0.85 · 20 and 1.05 · 24."""
    warmup = [took(ms) for ms in (20.0, 19.0, 24.0, 20.0, 21.0)]
    return AdaptiveNormalisedController(AdaptiveNormalisedSettings(**settings), warmup)


def lengths(rule: AdaptiveNormalisedController, outcomes: list[Outcome]) -> list[int]:
    """Every k, and the one that would come next."""
    chosen = []
    for outcome in outcomes:
        chosen.append(rule.choose())
        rule.update(outcome)
    return [*chosen, rule.choose()]


def test_it_starts_at_four_and_climbs_by_one_while_tokens_come_fast():
    assert lengths(controller(), [took(10.0)] * 6) == [4, 5, 6, 7, 8, 8, 8]


def test_it_falls_by_one_while_they_come_slowly():
    assert lengths(controller(), [took(30.0)] * 5) == [4, 3, 2, 1, 1, 1]


@pytest.mark.parametrize("length", range(1, 9))
def test_between_the_thresholds_it_holds_whatever_k_it_is_at(length):
    assert set(lengths(controller(start_length=length), [took(20.0)] * 10)) == {length}


def test_the_average_starts_at_the_first_success_and_takes_in_four_tenths_of_each_next_one():
    # 20; 0.4·35 + 0.6·20 = 26 > 25.2; 0.4·10 + 0.6·26 = 19.6; 0.4·5 + 0.6·19.6 = 13.76 < 17
    assert lengths(controller(), [took(20.0), took(35.0), took(10.0), took(5.0)]) == [4, 4, 3, 3, 4]


@pytest.mark.parametrize(("ms", "then"), [(16.99, 5), (17.01, 4), (25.19, 4), (25.21, 3)])
def test_thresholds_are_compared_without_cutting_to_whole_milliseconds(ms, then):
    assert lengths(controller(), [took(ms)])[-1] == then


def test_long_texts_are_not_slow_ones():
    assert lengths(controller(), [took(20.0, tokens=1000), took(20.0, tokens=2)])[-1] == 4


def test_where_the_reply_was_not_streamed_latency_counts_by_tokens():
    assert lengths(controller(), [whole(10.0)])[-1] == 5
    assert lengths(controller(), [whole(30.0)])[-1] == 3


def test_a_single_token_has_only_its_latency():
    one = Outcome(4, success=True, latency_ms=20.0, completion_tokens=1, decode_ms=0.0)
    assert lengths(controller(), [one])[-1] == 4


def test_a_success_of_unknown_length_moves_nothing():
    unknown = Outcome(4, success=True, latency_ms=1.0, decode_ms=1.0)
    assert lengths(controller(), [unknown, took(30.0)]) == [4, 4, 3]


def test_after_a_failure_it_goes_on_from_one_and_the_average_stays():
    # The average of 10 makes 0.4·25 + 0.6·10 = 16 < 17 of the next success.
    assert lengths(controller(), [took(10.0), FAILED, took(25.0)]) == [4, 5, 1, 2]


def test_thresholds_come_from_the_successes_of_the_warm_up():
    # p50 of two is the first, p95 the second: 0.85 · 10 = 8.5 and 1.05 · 20 = 21
    def rule() -> AdaptiveNormalisedController:
        return AdaptiveNormalisedController(AdaptiveNormalisedSettings(), [took(20.0), FAILED, took(10.0)])

    assert [lengths(rule(), [took(ms)])[-1] for ms in (8.4, 8.6, 20.9, 21.1)] == [5, 4, 4, 3]


def test_without_a_warm_up_that_tells_the_originals_constants_hold_by_its_sixty_four_tokens():
    # 9000 / 64 = 140.6, 22000 / 64 = 343.75
    def rule() -> AdaptiveNormalisedController:
        return AdaptiveNormalisedController(AdaptiveNormalisedSettings(), [FAILED])

    assert [lengths(rule(), [took(ms)])[-1] for ms in (140.0, 141.0, 343.0, 344.0)] == [5, 4, 4, 3]


def test_its_numbers_are_settings():
    rule = controller(smoothing=1.0, step_up=2, step_down=3, max_length=7, min_length=2, length_after_failure=5)
    assert lengths(rule, [took(1.0), took(1.0), took(99.0), took(99.0), FAILED]) == [4, 6, 7, 4, 2, 5]
    assert lengths(controller(low_factor=1.1), [took(21.0)])[-1] == 5
    assert lengths(controller(high_factor=0.8), [took(20.0)])[-1] == 3


@pytest.mark.parametrize("setting", ["start_length", "length_after_failure"])
def test_it_stays_within_its_bounds_after_a_failure_too(setting):
    with pytest.raises(ValueError, match=f"{setting} must lie from min_length to max_length"):
        AdaptiveNormalisedSettings(**{setting: 9})


@given(st.lists(st.one_of(st.just(FAILED), st.floats(0.001, 1e5).map(took)), max_size=60))
def test_k_never_leaves_one_to_eight(outcomes):
    assert all(1 <= k <= 8 for k in lengths(controller(), outcomes))


def test_a_streamed_reply_that_came_in_one_piece_is_timed_by_its_latency():
    in_one_piece = Outcome(4, success=True, latency_ms=300.0, completion_tokens=10, decode_ms=0.0)
    assert lengths(controller(), [in_one_piece]) == lengths(controller(), [whole(30.0)]) == [4, 3]
