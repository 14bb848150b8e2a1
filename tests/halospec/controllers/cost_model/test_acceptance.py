"""Acceptance by position, on hand-worked counts and on simulated rounds."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.controllers.cost_model.acceptance import Acceptance, TextAcceptance
from halospec.controllers.cost_model.cusum import Cusum


def _acceptance(longest: int = 3, memory: float = 1.0, alarm_at: float = 1e9) -> Acceptance:
    return Acceptance(longest, memory, Cusum(slack=0.75, alarm_at=alarm_at))


def _simulate(acceptance: Acceptance, hazards: list[float], k: int, rounds: int, seed: int = 1) -> int:
    random, alarms = np.random.default_rng(seed), 0
    for _ in range(rounds):
        accepted = 0
        while accepted < k and random.random() < hazards[accepted]:
            accepted += 1
        alarms += acceptance.add(k, accepted)
    return alarms


def test_before_any_round_every_position_has_the_first_guess() -> None:
    assert _acceptance().hazards == [0.7, 0.7, 0.7]


def test_a_round_tries_the_positions_up_to_its_first_rejection_and_no_further() -> None:
    acceptance = _acceptance()

    acceptance.add(3, 1)

    assert acceptance.trials == [1.0, 1.0, 0.0]
    # Pooled: (1 + 6 * 0.7) / (2 + 6) = 0.65; then (1 + 3 * 0.65) / 4, (0 + 3 * 0.7375) / 4, and the same again.
    assert acceptance.hazards == pytest.approx([0.7375, 0.553125, 0.553125])


def test_a_round_without_a_draft_teaches_nothing() -> None:
    acceptance = _acceptance()

    assert not acceptance.add(0, 0)
    assert acceptance.trials == [0.0, 0.0, 0.0]


def test_older_rounds_weigh_less() -> None:
    acceptance = _acceptance(longest=1, memory=0.5)

    acceptance.add(1, 1)
    acceptance.add(1, 0)

    assert acceptance.trials == [1.5]
    # Hits 0.5: pooled (0.5 + 6 * 0.7) / 7.5, then (0.5 + 3 * pooled) / 4.5.
    assert acceptance.hazards == pytest.approx([(0.5 + 3 * (4.7 / 7.5)) / 4.5])


def test_hazards_that_rise_with_the_position_are_found() -> None:
    acceptance = _acceptance(longest=4)

    _simulate(acceptance, [0.6, 0.7, 0.8, 0.9], k=4, rounds=4000)

    assert acceptance.hazards == pytest.approx([0.6, 0.7, 0.8, 0.9], abs=0.03)


def test_a_change_of_acceptance_is_found_and_the_past_mostly_forgotten() -> None:
    acceptance = _acceptance(longest=4, memory=0.995, alarm_at=5.0)
    _simulate(acceptance, [0.9] * 4, k=4, rounds=300)

    assert _simulate(acceptance, [0.3] * 4, k=4, rounds=30, seed=2) >= 1
    assert acceptance.hazards[0] < 0.5


def test_totals_alone_give_the_acceptance_that_explains_them() -> None:
    acceptance = _acceptance(longest=4)

    # 1,000 rounds with k = 3: 0.8 + 0.64 + 0.512 tokens of a draft are kept on average.
    acceptance.add_totals(3, 1952.0, 1000.0)

    assert acceptance.hazards == pytest.approx([0.8] * 4, abs=0.01)
    assert acceptance.trials == pytest.approx([1000.0, 800.0, 640.0, 0.0], rel=0.01)


@pytest.mark.parametrize(("accepted", "bound"), [(0.0, 0.1), (30.0, 0.9)])
def test_totals_at_either_end_stay_probabilities(accepted: float, bound: float) -> None:
    acceptance = _acceptance(longest=3)

    acceptance.add_totals(3, accepted, 10.0)

    assert all(0.0 < hazard < 1.0 for hazard in acceptance.hazards)
    assert (acceptance.hazards[0] < 0.5) == (bound < 0.5)


def test_a_text_starts_out_like_all_texts() -> None:
    acceptance = _acceptance()
    _simulate(acceptance, [0.8] * 3, k=3, rounds=200)

    assert TextAcceptance(acceptance, spread=0.7, memory=1.0).hazards() == acceptance.hazards


def test_a_text_that_goes_better_than_most_is_expected_to_go_on_so_at_every_position() -> None:
    acceptance = _acceptance()
    _simulate(acceptance, [0.6] * 3, k=3, rounds=500)
    text = TextAcceptance(acceptance, spread=0.7, memory=1.0)

    for _ in range(10):
        text.add(1, 1)

    assert all(own > usual + 0.05 for own, usual in zip(text.hazards(), acceptance.hazards, strict=True))


def test_little_evidence_moves_a_text_little() -> None:
    acceptance = _acceptance()
    _simulate(acceptance, [0.6] * 3, k=3, rounds=500)
    text = TextAcceptance(acceptance, spread=0.7, memory=1.0)

    text.add(1, 1)

    # One success at 0.6: the shift is 0.4 / (0.24 + 1 / 0.49) = 0.175 log odds.
    odds = acceptance.hazards[0] / (1 - acceptance.hazards[0])
    shift = (1 - acceptance.hazards[0]) / (acceptance.hazards[0] * (1 - acceptance.hazards[0]) + 1 / 0.49)
    expected = odds * np.exp(shift) / (1 + odds * np.exp(shift))
    assert text.hazards()[0] == pytest.approx(expected)
