"""States of the machine: when a change is found, and when one is recognised that was there before."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from halospec.controllers.cost_model.regimes import Passes, Regimes
from halospec.controllers.cost_model.settings import CostModelSettings

SETTINGS = CostModelSettings()


def _round(k: int, factor: float = 1.0, draft_factor: float | None = None) -> Passes:
    return Passes(
        target=(2, 1),
        draft=(2, 1),
        width=k + 1,
        k=k,
        missed=1,
        draft_ms=6.0 * k * (factor if draft_factor is None else draft_factor),
        verify_ms=(15.0 + 2.0 * k) * factor,
    )


def _feed(regimes: Regimes, rounds: int, *, factor: float = 1.0, noise: float = 0.08, seed: int = 1) -> list[str]:
    """Add rounds of every length in turn, with some noise; return what was said."""
    random, said = np.random.default_rng(seed), []
    for i in range(rounds):
        plain = _round(i % 5, factor)
        off = math.exp(noise * random.normal())
        said.append(regimes.add(replace(plain, draft_ms=plain.draft_ms * off, verify_ms=plain.verify_ms * off)))
    return [one for one in said if one is not None]


def test_a_machine_that_stays_as_it_is_raises_no_alarm() -> None:
    regimes = Regimes(SETTINGS)

    assert _feed(regimes, 1000) == []
    assert regimes.now.number == 1
    assert regimes.now.expected_ms((2, 1), (2, 1), 5, 4, 1.0) == pytest.approx(47.0, rel=0.05)


def test_a_machine_three_times_as_slow_is_another_within_four_rounds() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 200)

    said = _feed(regimes, 4, factor=3.0, seed=2)

    assert len(said) == 1
    assert said[0].startswith("costs changed by +")
    assert regimes.now.number == 2
    # Lengths that were not tried since are expected to have become dearer alike.
    assert regimes.now.expected_ms((2, 1), (2, 1), 9, 8, 1.0) == pytest.approx(3 * 79.0, rel=0.15)


def test_what_returns_is_recognised_and_all_that_was_known_of_it_holds_again() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 200)
    _feed(regimes, 60, factor=3.0, seed=2)

    said = _feed(regimes, 6, seed=3)

    assert said == ["costs as in regime 1 again"]
    assert regimes.now.verify((2, 1)).rounds > 50


def test_rounds_that_betray_a_change_are_not_counted_for_the_state_before_it() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 200)
    before = regimes.now.expected_ms((2, 1), (2, 1), 5, 4, 1.0)
    first = regimes.now
    _feed(regimes, 4, factor=3.0, seed=2)

    assert first.expected_ms((2, 1), (2, 1), 5, 4, 1.0) == pytest.approx(before)


def test_a_small_change_is_drift_and_no_new_state() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 300)

    said = _feed(regimes, 200, factor=1.2, seed=2)

    assert said
    assert all(one.startswith("costs drift") for one in said)
    assert regimes.now.number == 1
    assert regimes.now.expected_ms((2, 1), (2, 1), 5, 4, 1.0) == pytest.approx(1.2 * 47.0, rel=0.06)


def test_a_change_of_the_draft_alone_is_told_from_one_of_the_target() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 200)
    for _ in range(8):
        regimes.add(_round(4, draft_factor=5.0))

    regime = regimes.now
    assert regime.number == 2
    assert regime.draft((2, 1)).per_token_ms == pytest.approx(30.0, rel=0.05)
    assert regime.verify((2, 1)).ms(1) == pytest.approx(15.0, rel=0.1)


def test_no_more_states_are_remembered_than_the_settings_say() -> None:
    regimes = Regimes(replace(SETTINGS, regimes=2))
    for step, factor in enumerate((1.0, 3.0, 9.0, 27.0, 81.0)):
        _feed(regimes, 60, factor=factor, seed=step)

    said = _feed(regimes, 6, seed=9)

    assert said[0].startswith("costs changed by")


def test_threads_of_which_nothing_is_known_are_expected_to_cost_what_others_do() -> None:
    regimes = Regimes(SETTINGS)
    _feed(regimes, 100)

    assert regimes.now.verify((1, 1)).rounds == 0.0
    assert regimes.now.verify((1, 1)).ms(3) == pytest.approx(regimes.now.verify((2, 1)).ms(3))


def test_with_totals_alone_drafting_is_part_of_the_round() -> None:
    regimes = Regimes(SETTINGS, whole_rounds=True)
    for k, ms in ((0, 15.0), (4, 47.0), (2, 31.0)) * 10:
        regimes.add(Passes((0, 1), (0, 1), k + 1, k, 1, 0.0, ms, weight=20.0))

    assert regimes.now.expected_ms((0, 1), (0, 1), 4, 3, 2.0) == pytest.approx(39.0, rel=0.05)


def test_a_round_that_took_no_time_was_not_timed_and_counts_for_nothing() -> None:
    regimes = Regimes(SETTINGS)

    assert regimes.add(replace(_round(4), draft_ms=0.0, verify_ms=0.0)) is None

    assert regimes.now.rounds == 0
    assert _feed(regimes, 50) == []
    assert regimes.now.expected_ms((2, 1), (2, 1), 5, 4, 1.0) == pytest.approx(47.0, rel=0.05)
