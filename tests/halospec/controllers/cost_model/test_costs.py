"""What passes are expected to cost: guesses, measurements, and how the two meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.cost_model.costs import CATCH_UP_GUESS, SLOPE_GUESS, DraftCost, VerifyCost


def test_the_first_pass_sets_the_level_and_a_guess_the_slope() -> None:
    cost = VerifyCost(None, memory=1.0, shape_rounds=30.0)
    cost.add(1, 20.0)

    assert [cost.ms(width) for width in (1, 2, 5)] == pytest.approx(
        [20.0, 20.0 * (1 + SLOPE_GUESS), 20.0 * (1 + 4 * SLOPE_GUESS)]
    )


def test_a_known_shape_is_stretched_to_what_is_measured_at_one_width() -> None:
    cost = VerifyCost([10.0, 11.0, 12.0] + [13.0] * 61, memory=1.0, shape_rounds=30.0)

    for _ in range(50):
        cost.add(3, 36.0)

    assert cost.ms(3) == pytest.approx(36.0, rel=0.02)
    # Most of the surplus is taken for a slower machine, little for a steeper curve: width 1 is about three times 10.
    assert cost.ms(1) == pytest.approx(30.0, rel=0.08)


def test_measurements_at_two_widths_tilt_the_curve_for_those_between_and_beyond() -> None:
    cost = VerifyCost(None, memory=1.0, shape_rounds=2.0)
    for _ in range(200):
        cost.add(1, 10.0)
        cost.add(9, 50.0)

    assert 20.0 < cost.ms(5) < 35.0
    assert cost.ms(9) == pytest.approx(50.0, rel=0.02)
    assert cost.ms(12) > 50.0


def test_a_width_off_the_curve_is_believed_after_a_few_passes() -> None:
    cost = VerifyCost(None, memory=0.995, shape_rounds=2.0)
    for _ in range(50):
        cost.add(2, 20.0)
        cost.add(5, 26.0)
    for _ in range(6):
        cost.add(1, 14.0)

    assert cost.ms(1) == pytest.approx(14.0, rel=0.08)
    assert cost.ms(2) == pytest.approx(20.0, rel=0.05)


def test_how_widths_compare_outlasts_a_change_of_level() -> None:
    cost = VerifyCost(None, memory=0.98, shape_rounds=2.0)
    for _ in range(100):
        cost.add(1, 10.0)
        cost.add(2, 18.0)
    slower = cost.stretched(3.0)
    for _ in range(30):
        slower.add(2, 54.0)

    assert slower.ms(1) == pytest.approx(30.0, rel=0.05)


def test_older_passes_weigh_less() -> None:
    cost = VerifyCost([10.0] * 64, memory=0.9, shape_rounds=1.0)
    for _ in range(100):
        cost.add(1, 10.0)
    for _ in range(60):
        cost.add(1, 30.0)

    assert cost.ms(1) == pytest.approx(30.0, rel=0.02)
    assert cost.rounds == pytest.approx(10.0, rel=0.01)


@given(st.lists(st.tuples(st.integers(1, 17), st.floats(0.1, 500.0)), min_size=1, max_size=60))
def test_expected_times_are_always_positive(passes: list[tuple[int, float]]) -> None:
    cost = VerifyCost(None, memory=0.99, shape_rounds=30.0)
    for width, verify_ms in passes:
        cost.add(width, verify_ms)

    assert all(cost.ms(width) > 0.0 for width in range(1, 65))


def test_a_weight_counts_like_so_many_passes() -> None:
    once, often = (VerifyCost([10.0] * 64, memory=1.0, shape_rounds=5.0) for _ in range(2))
    once.add(2, 17.0, weight=8.0)
    for _ in range(8):
        often.add(2, 17.0)

    assert once.ms(2) == pytest.approx(often.ms(2), rel=0.01)


def test_the_first_draft_sets_the_cost_of_a_token_and_a_guess_that_of_a_missed_one() -> None:
    cost = DraftCost(None, 0.0, memory=1.0)

    cost.add(4, 1, 24.0)

    assert cost.per_token_ms == pytest.approx(6.0)
    assert cost.per_missed_ms == pytest.approx(6.0 * CATCH_UP_GUESS)


def test_drafts_that_missed_tokens_teach_what_those_cost() -> None:
    cost = DraftCost(None, 0.0, memory=1.0)
    for k in (1, 2, 4, 8) * 40:
        cost.add(k, 1, 6.0 * k)
        cost.add(k, 2, 6.0 * k + 5.0)

    assert cost.ms(4, 2.0) == pytest.approx(29.0, rel=0.01)
    assert cost.ms(4, 1.0) == pytest.approx(24.0, rel=0.01)


def test_what_is_forgotten_gives_way_to_what_comes() -> None:
    cost = VerifyCost([10.0] * 64, memory=1.0, shape_rounds=1.0)
    for _ in range(100):
        cost.add(1, 10.0)
    cost.forget(0.01)
    for _ in range(20):
        cost.add(1, 20.0)

    assert cost.ms(1) > 18.0
