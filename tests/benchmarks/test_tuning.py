"""How well a search does: the simulation of the benchmark, with bounds."""

from __future__ import annotations

import numpy as np
import pytest

from tuning import FINAL_PROMPTS, LENGTHS, MACHINES, SIZES, Machine, linear, measured, times, true_times

PAYS, SCATTERED, _, NO_GAIN, _ = MACHINES


def test_a_round_writes_as_many_tokens_as_theory_says():
    """E(k) = (1 - a^(k + 1)) / (1 - a) tokens a round; a text ends in the middle of its last one, so k is small."""
    machine = Machine("exact", linear(0.1), 0.05, acceptance=0.7, error=0.0)
    chance = np.random.default_rng(1)
    found = times(machine, np.full(20_000, 0.7), 2, chance).mean()
    tokens_a_round = (1 - 0.7**3) / (1 - 0.7)
    assert found == pytest.approx(machine.cost(2) / tokens_a_round, rel=0.02)


def test_the_search_is_the_programs_own_by_default():
    assert [size.challengers for size in SIZES] == [8, 4, 2]
    assert SIZES[-1].prompts >= FINAL_PROMPTS


def test_halving_finds_the_best_more_often_than_as_many_requests_shared_equally():
    row = measured(PAYS, searches=600, verdicts=1)
    assert row.halving > 0.65
    assert row.halving > row.uniform


def test_what_is_recommended_costs_little_more_than_the_best():
    row = measured(PAYS, searches=40, verdicts=40)
    assert row.recommended_loss < 0.03
    assert row.unfounded == 0


def test_where_drafting_gains_nothing_k_0_is_recommended():
    row = measured(NO_GAIN, searches=40, verdicts=40)
    assert row.best == 0
    assert row.recommended == 1
    assert row.unfounded == 0


def test_times_that_scatter_make_the_search_less_certain_and_not_reckless():
    row = measured(SCATTERED, searches=60, verdicts=30)
    assert row.best == true_times(SCATTERED).argmin() in LENGTHS
    assert row.recommended_loss < 0.08
    assert row.unfounded == 0
