"""From predictions to what is held and what is tried, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halospec.controllers.cost_model.exploring import any_neighbour, cheapest_probe, worth_trying
from halospec.controllers.cost_model.limits import permitted
from halospec.controllers.cost_model.prediction import Prediction, predict
from halospec.controllers.cost_model.regimes import Passes, Regime
from halospec.controllers.cost_model.settings import CostModelSettings
from halospec.controllers.cost_model.settling import settled

SETTINGS = CostModelSettings(hysteresis=0.02, thread_hysteresis=0.1, well_known=6.0, reach=0.05, fresh_reach=0.3)


def _one(k: int, ms_per_token: float, *, tokens: float = 2.0, known: float = 100.0, threads: int = 2) -> Prediction:
    return Prediction(k, threads, 2, tokens, tokens * ms_per_token, known)


def test_a_round_is_weighed_by_its_tokens_and_by_what_full_acceptance_adds_to_the_next() -> None:
    regime = Regime(SETTINGS, 1)
    for _ in range(400):
        regime.add(Passes((2, 1), (2, 1), 1, 0, 1, 0.0, 10.0))
        regime.add(Passes((2, 1), (2, 1), 2, 1, 1, 5.0, 12.0))
        regime.add(Passes((2, 1), (2, 1), 2, 1, 2, 8.0, 12.0))

    plain, drafted = predict(regime, [0.5], [100.0], range(2), (2, 2), sequences=1, missed=1)

    assert (plain.tokens, drafted.tokens) == (1.0, 1.5)
    assert plain.ms == pytest.approx(10.0, rel=0.01)
    # 12 + 5 + half of the 3 that a token missed costs.
    assert drafted.ms == pytest.approx(18.5, rel=0.01)
    assert drafted.ms_per_token == pytest.approx(18.5 / 1.5, rel=0.01)


def test_who_has_not_drafted_for_long_is_charged_for_catching_up() -> None:
    regime = Regime(SETTINGS, 1)
    for missed in (1, 2, 3) * 100:
        regime.add(Passes((2, 1), (2, 1), 2, 1, missed, 5.0 + 3.0 * (missed - 1), 12.0))

    at_once = predict(regime, [0.5], [100.0], range(2), (2, 2), sequences=1, missed=2)[1]
    after_long = predict(regime, [0.5], [100.0], range(2), (2, 2), sequences=1, missed=66)[1]

    assert after_long.ms - at_once.ms == pytest.approx(64 * 3.0 / 32, rel=0.05)


def test_the_width_of_a_pass_is_that_of_all_texts_in_it() -> None:
    regime = Regime(SETTINGS, 1)
    for width in (4, 8) * 200:
        regime.add(Passes((2, 4), (2, 4), width, width // 4 - 1, 1, 2.0 * (width // 4 - 1), 10.0 + width))

    plain, drafted = predict(regime, [0.5], [100.0], range(2), (2, 2), sequences=4, missed=1)

    assert plain.ms == pytest.approx(14.0, rel=0.02)
    assert drafted.ms == pytest.approx(20.0, rel=0.04)


def test_what_is_in_force_stays_while_it_is_nearly_as_good() -> None:
    candidates = [_one(3, 10.0), _one(4, 10.15)]

    assert settled(candidates, (4, 2, 2), SETTINGS)[0].k == 4
    assert settled(candidates, (4, 2, 2), replace(SETTINGS, hysteresis=0.01))[0].k == 3


def test_threads_need_a_larger_gain_than_lengths() -> None:
    candidates = [_one(3, 10.0, threads=1), _one(4, 10.5, threads=2)]

    assert settled(candidates, (4, 2, 2), SETTINGS)[0].threads == 2
    assert settled(candidates, (4, 2, 2), replace(SETTINGS, thread_hysteresis=0.02))[0].threads == 1


def test_what_was_in_force_and_is_no_longer_allowed_is_given_up() -> None:
    best, why = settled([_one(0, 20.0), _one(1, 19.0)], (8, 2, 2), SETTINGS)

    assert best.k == 1
    assert why == "best"


def test_without_limits_everything_is_permitted() -> None:
    candidates = [_one(0, 20.0), _one(8, 10.0)]

    assert permitted(candidates, 0.1, SETTINGS) == candidates


def test_rounds_that_would_exceed_the_limit_one_time_in_twenty_are_forbidden() -> None:
    settings = replace(SETTINGS, itl_slo_ms=30.0)
    # 25 ms with 10 % spread: 29.1 ms in nineteen of twenty cases; 26 ms: 30.3.
    candidates = [_one(1, 25.0, tokens=1.0), _one(2, 26.0, tokens=1.0)]

    assert [one.k for one in permitted(candidates, 0.1, settings)] == [1]


def test_where_nothing_keeps_to_the_limits_what_comes_closest_is_permitted() -> None:
    settings = replace(SETTINGS, itl_slo_ms=5.0)

    assert [one.k for one in permitted([_one(4, 10.0), _one(0, 8.0)], 0.1, settings)] == [0]


def test_a_limit_on_time_per_token_can_force_longer_drafts() -> None:
    settings = replace(SETTINGS, tpot_slo_ms=15.0)

    assert [one.k for one in permitted([_one(0, 20.0), _one(4, 10.0)], 0.1, settings)] == [4]


def test_a_neighbour_is_tried_if_little_is_known_of_it_and_it_is_close() -> None:
    chosen = _one(4, 10.0)
    near_unknown, near_known, far = _one(5, 10.4, known=1.0), _one(3, 10.1), _one(6, 11.0, known=0.0)

    found = worth_trying([chosen, near_unknown, near_known, far], chosen, SETTINGS, fresh=False)

    assert found == near_unknown
    assert worth_trying([chosen, near_known, far], chosen, SETTINGS, fresh=False) is None


def test_in_a_fresh_state_of_the_machine_any_length_may_be_tried() -> None:
    chosen, distant = _one(4, 10.0), _one(0, 12.5, known=0.0)

    assert worth_trying([chosen, distant], chosen, SETTINGS, fresh=True) == distant
    assert worth_trying([chosen, distant], chosen, SETTINGS, fresh=False) is None


def test_neighbours_are_equally_likely() -> None:
    chosen, below, above = _one(4, 10.0), _one(3, 10.1), _one(5, 10.1)

    drawn = [any_neighbour([below, chosen, above], chosen, 0.05, draw) for draw in (0.0, 0.49, 0.5, 0.99)]

    assert drawn == [below, below, above, above]
    assert any_neighbour([chosen], chosen, 0.05, 0.5) is None


def test_threads_are_tried_with_the_round_that_loses_least() -> None:
    # At 10 ms a token at best: 30 ms for 1 token lose 20, 60 ms for 5 lose 10, 120 ms for 6 lose 60.
    candidates = [
        _one(0, 30.0, tokens=1.0, threads=1),
        _one(4, 12.0, tokens=5.0, threads=1),
        _one(8, 20.0, tokens=6.0, threads=1),
    ]

    found = cheapest_probe(candidates, 10.0)

    assert found is not None
    assert found.k == 4
    assert found.loss_ms(10.0) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"min_length": 5, "max_length": 3}, "min_length and max_length"),
        ({"max_length": 17}, "min_length and max_length"),
        ({"dither": 1.0}, "dither"),
        ({"cost_memory": 0.0}, "cost_memory"),
        ({"shape_rounds": 0.0}, "shape_rounds"),
        ({"itl_slo_ms": -1.0}, "itl_slo_ms"),
        ({"regimes": 0}, "regimes"),
        ({"regimes": 1000}, "regimes"),
        ({"text_spread": 1e300}, "text_spread"),
        ({"text_spread": 0.0}, "text_spread"),
        ({"slack": -1.0}, "slack"),
        ({"regime_step": -0.1}, "regime_step"),
        ({"fresh_rounds": -1}, "fresh_rounds"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(changed: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(CostModelSettings(), **changed)


def test_a_start_outside_the_lengths_is_moved_to_the_nearest_of_them() -> None:
    assert CostModelSettings(min_length=6, max_length=8).start_length == 6
    assert CostModelSettings(max_length=2).start_length == 2


def test_reasons_tell_small_margins_from_none() -> None:
    settings = replace(SETTINGS, hysteresis=0.005)

    assert settled([_one(3, 10.0), _one(4, 10.02)], (4, 2, 2), settings)[1] == "kept: within 0.5% of the best"
    assert settled([_one(3, 10.0), _one(4, 10.07)], (4, 2, 2), settings)[1] == "moved: the best, by 0.7%"
