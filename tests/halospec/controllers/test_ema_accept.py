"""SGLang's rule, step by step."""

from __future__ import annotations

import pytest

from halospec.controllers.ema_accept import EmaAcceptController, EmaAcceptSettings
from halospec.controllers.per_round import outcome_of_round
from steps_by_hand import failure, lengths_after_rounds, request_of, round_of


def rule(**settings) -> EmaAcceptController:
    return EmaAcceptController(EmaAcceptSettings(**settings))


def at_once(**settings) -> EmaAcceptController:
    """The rule without memory, warm-up or intervals: its ``e`` is the last mean of accepted tokens."""
    return rule(ema_alpha=1.0, update_interval=1, warmup_batches=0, **settings)


def after_mean(controller: EmaAcceptController, accepted: int, rounds: int) -> int:
    """The length after a request that kept so many tokens in so many rounds."""
    k = controller.choose()
    whole, rest = divmod(accepted, rounds)
    done = [round_of(whole + 1, k)] * rest + [round_of(whole, k)] * (rounds - rest)
    controller.update(request_of(*done, logged=False))
    return controller.choose()


def test_it_first_decides_after_fifteen_rounds_and_then_after_every_fifth():
    # e starts at 2. Fifteen rounds of 3: e = 3 − 0.8¹⁵ = 2.96 > 2.5, so up to 5, and no further: 2.96 ≤ 4.5.
    # Five of 5: 5 − 2.04 · 0.8⁵ = 4.33, neither ≤ 2.25 nor > 4.5. Five more: 4.78, up to 7.
    # Five of 0: 4.78 · 0.8⁵ = 1.57, ≤ 4.25 and ≤ 2.25 but > 0.25: down to 3 at once. Five more: 0.51, as it is.
    # Five more: 0.17 ≤ 0.25, down to 1.
    kept = [3] * 15 + [5] * 10 + [0] * 15
    expected = [3] * 15 + [5] * 10 + [7] * 5 + [3] * 10 + [1]
    assert lengths_after_rounds(rule(), kept) == expected


def test_it_cannot_find_out_that_not_drafting_would_be_faster():
    assert lengths_after_rounds(rule(), [0] * 60)[-1] == 1


def test_it_goes_up_only_above_half_a_token_short_of_the_length():
    assert after_mean(at_once(), 5, 2) == 3
    assert after_mean(at_once(), 51, 20) == 5


def test_it_goes_down_at_three_quarters_short_of_the_next_lower_length():
    assert after_mean(at_once(start_length=5), 9, 4) == 3
    assert after_mean(at_once(start_length=5), 23, 10) == 5


def test_hysteresis_is_added_to_the_thresholds():
    assert after_mean(at_once(up_hysteresis=0.25), 11, 4) == 3
    assert after_mean(at_once(up_hysteresis=0.25), 28, 10) == 5
    assert after_mean(at_once(start_length=5, down_hysteresis=0.0), 5, 2) == 3


def test_it_stops_drafting_at_a_quarter_of_a_token_where_zero_is_a_candidate():
    some = {"candidate_steps": (0, 1, 3), "start_length": 1}
    assert after_mean(at_once(**some), 1, 4) == 0
    assert after_mean(at_once(**some), 3, 10) == 1
    assert after_mean(at_once(**some), 6, 10) == 3


def test_after_an_interval_without_drafts_it_tries_the_shortest_again():
    controller = rule(candidate_steps=(0, 1, 3), start_length=1, update_interval=5, warmup_batches=0)
    # e = 0 after five rounds of none: 0 ≤ 0.25. Five plain rounds later it drafts, whatever e is.
    assert lengths_after_rounds(controller, [0] * 10) == [1] * 5 + [0] * 5 + [1]


def test_plain_rounds_leave_the_average_as_it_is():
    controller = rule(candidate_steps=(0, 1, 3), start_length=1, update_interval=1, warmup_batches=0, ema_alpha=0.5)
    # e: 0, down to 0. One plain round, up to 1. One token kept: e = 0.5 (not 0.5² of something older), which is not
    # above 0.5 and so no step up. Another: 0.75, up to 3.
    assert lengths_after_rounds(controller, [0, 0, 1, 1]) == [1, 0, 1, 1, 3]


def test_where_it_begins_without_drafts_the_average_begins_with_the_first_draft():
    controller = rule(candidate_steps=(0, 2), start_length=0, update_interval=1, warmup_batches=0, ema_alpha=0.5)
    # Up to 2 with e = 2 − 1; none kept: 0.5 > 0.25, stays; none kept: 0.25, down.
    assert lengths_after_rounds(controller, [0, 0, 0]) == [0, 2, 2, 0]


def test_a_ceiling_holds_down_but_never_holds_back_a_step_up():
    some = {"candidate_steps": (1, 3, 5), "ceiling_coeff": 1.0}
    assert after_mean(at_once(start_length=5, **some), 3, 1) == 3
    assert after_mean(at_once(start_length=5, **some), 31, 10) == 3
    assert after_mean(at_once(start_length=5, **some), 41, 10) == 5
    assert after_mean(at_once(start_length=1, **some), 1, 1) == 3


def test_rounds_that_could_not_draft_are_not_counted():
    controller = rule()
    for _ in range(14):
        controller.update(outcome_of_round(round_of(3, 3)))
    controller.update(outcome_of_round(round_of(0, 0, limit=3)))
    assert controller.choose() == 3
    controller.update(outcome_of_round(round_of(3, 3)))
    assert controller.choose() == 5


def test_in_the_client_logged_rounds_count_one_by_one_and_totals_as_one():
    logged, totals = rule(), rule()
    request = request_of(*[round_of(3, 3)] * 15)
    logged.update(request)
    for _ in range(14):
        totals.update(request_of(*request.round_log, logged=False))
    assert (logged.choose(), totals.choose()) == (5, 3)
    totals.update(request_of(*request.round_log, logged=False))
    assert totals.choose() == 5


def test_a_failure_teaches_nothing():
    controller = rule()
    for _ in range(60):
        controller.update(failure())
    assert controller.choose() == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"candidate_steps": (3, 1)}, "must rise"),
        ({"candidate_steps": (1, 1, 3)}, "must rise"),
        ({"start_length": 4}, "must be one of candidate_steps"),
    ],
)
def test_candidates_rise_and_the_first_length_is_one_of_them(settings, said):
    with pytest.raises(ValueError, match=said):
        EmaAcceptSettings(**settings)
