import math

import numpy as np
import pytest
from scipy import stats

from halospec.inference import max_t
from halospec.inference.two_stage import pilot_of


def test_one_comparison_needs_steins_number_of_blocks():
    ratios = np.array([[0.01], [0.05], [-0.02], [0.03], [0.0]])
    sd = float(ratios.std(ddof=1))
    expected = math.ceil((stats.t.ppf(0.975, 4) * sd / 0.01) ** 2)

    pilot = pilot_of(ratios)

    assert pilot.blocks_needed(0.01) == expected
    assert pilot.half_widths(np.zeros((expected, 1)))[0] <= 0.01 < pilot.half_widths(np.zeros((expected - 1, 1)))[0]


def test_a_comparison_that_half_of_the_blocks_hold_needs_twice_as_many():
    ratios = np.array([[0.01], [0.05], [-0.02], [0.03]])
    gaps = np.vstack([ratios, np.full((4, 1), np.nan)])

    assert pilot_of(gaps).blocks_needed(0.001) == pytest.approx(2 * pilot_of(ratios).blocks_needed(0.001), abs=2)


def test_a_comparison_that_the_pilot_could_not_judge_is_left_out():
    ratios = np.array([[0.01, np.nan], [0.05, 0.2], [-0.02, np.nan]])

    assert pilot_of(ratios).blocks_needed(0.02) == pilot_of(ratios[:, :1]).blocks_needed(0.02)
    assert np.isnan(pilot_of(ratios).half_widths(ratios)[1])


def test_a_pilot_without_two_blocks_promises_nothing():
    with pytest.raises(ValueError, match="two blocks"):
        pilot_of(np.array([[0.1, 0.2]])).blocks_needed(0.1)
    with pytest.raises(ValueError, match="above 0"):
        pilot_of(np.array([[0.1], [0.2]])).blocks_needed(0)


def test_no_scatter_at_all_needs_two_blocks():
    assert pilot_of(np.full((3, 2), 0.1)).blocks_needed(0.01) == 2


@pytest.mark.parametrize("corrected", [False, True], ids=["as the pilot says", "corrected by later spread"])
def test_the_intervals_hold_all_at_once_although_the_number_of_blocks_was_decided_on_the_way(
    monkeypatch: pytest.MonkeyPatch, corrected: bool
):
    monkeypatch.setattr(max_t, "DRAWS", 1_000)
    chance = np.random.default_rng(2)
    mix = np.linalg.cholesky(np.full((4, 4), 0.5) + 0.5 * np.eye(4))
    runs, missed = 600, 0
    for _ in range(runs):
        ratios = chance.standard_normal((400, 4)) @ mix.T * 0.05
        pilot = pilot_of(ratios[:5], seed=1)
        needed = min(400, max(5, pilot.blocks_needed(0.04)))
        if corrected:
            spread = ratios[:needed].std(axis=0, ddof=1).max()
            needed = min(400, max(needed, math.ceil((2.5 * spread / 0.02) ** 2)))
        seen = ratios[:needed]
        missed += bool((np.abs(seen.mean(axis=0)) > pilot.half_widths(seen)).any())

    assert missed / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
