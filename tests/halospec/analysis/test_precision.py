"""Going on until intervals are narrow: what is stated in the end has to hold in spite of having looked."""

import math
from dataclasses import replace

import numpy as np
import pytest

from halospec.analysis.comparisons import comparisons
from halospec.analysis.precision import standing
from halospec.analysis.requests import Requests
from halospec.inference.proportions import wilson
from halospec.records.schema import Phase
from simulated_requests import simulated

MODES = ("fixed_0", "fixed_2")
PILOT = 4


def blocks_of(requests: Requests, blocks: int) -> Requests:
    """The run as it stood after so many blocks."""
    return requests.where(requests.block <= blocks)


def one_phase(seed: int, blocks: int, **options) -> Requests:
    return simulated(modes=MODES, phases=(Phase.STEADY,), blocks=blocks, steps=2, drift=0.0, seed=seed, **options)


def carried_out(requests: Requests, within: float, most: int) -> Requests:
    """Add blocks one by one after the pilot until the interval is as narrow as asked for, or there are no more."""
    blocks = PILOT
    while blocks < most:
        now = standing(blocks_of(requests, blocks), within=within, pilot_blocks=PILOT)
        if now is None or now.is_reached:
            break
        blocks += 1
    return blocks_of(requests, blocks)


def half_width(requests: Requests, pilot_blocks: int | None) -> float:
    difference = comparisons(requests, pilot_blocks=pilot_blocks).primary.rows[-1].to_reference
    return math.log1p(difference.high_percent / 100) - math.log1p(difference.percent / 100)


def test_intervals_cover_the_truth_though_the_run_stopped_when_they_were_narrow():
    runs, truth, most = 500, 0.05, 19
    covered = ordinary = stopped = 0
    for seed in range(runs):
        # So noisy that most runs go on after the pilot, and most stop before the end.
        run = one_phase(seed, most, effects={"fixed_2": truth}, noise_sd=0.1, mode_in_block_sd=0.06)
        ended = carried_out(run, within=0.13, most=most)
        stopped += PILOT < len(ended.blocks_here) < most
        for pilot_blocks in (PILOT, None):
            difference = comparisons(ended, pilot_blocks=pilot_blocks).primary.rows[-1].to_reference
            holds = difference.low_percent <= 100 * math.expm1(truth) <= difference.high_percent
            covered += holds and pilot_blocks is not None
            ordinary += holds and pilot_blocks is None
    assert wilson(covered, runs).high >= 0.95
    assert stopped > runs / 2
    # Without the rule, having stopped for being narrow costs coverage.
    assert ordinary < covered


def test_no_interval_is_narrower_than_the_pilots_spread_makes_it():
    calm_later = one_phase(3, 12, noise_sd=0.2)
    calm_later = replace(
        calm_later,
        decode_ms=np.where(calm_later.block > PILOT, np.median(calm_later.decode_ms), calm_later.decode_ms),
    )
    assert half_width(calm_later, PILOT) > half_width(calm_later, None)


def test_an_interval_that_is_wider_by_itself_stays_as_it_is():
    wild_later = one_phase(3, 12, noise_sd=0.3)
    wild_later = replace(
        wild_later,
        decode_ms=np.where(wild_later.block <= PILOT, np.median(wild_later.decode_ms), wild_later.decode_ms),
    )
    assert half_width(wild_later, PILOT) == pytest.approx(half_width(wild_later, None))


def test_what_is_found_is_found_with_the_wider_interval():
    for seed in range(40):
        run = one_phase(seed, 12, effects={"fixed_2": 0.1}, noise_sd=0.15)
        difference = comparisons(run, pilot_blocks=PILOT).primary.rows[-1].to_reference
        assert difference.found == (difference.low_percent > 0 or difference.high_percent < 0)


def test_the_pilot_is_the_first_blocks_however_many_follow():
    run = one_phase(1, 100, noise_sd=0.1)
    # As many as share cells in what is compared: the pilot's spread must not be that of groups of blocks.
    wild_pilot = replace(run, decode_ms=np.where(
        (run.block <= PILOT) & (run.mode == 1), run.decode_ms * np.where(run.block % 2, 1.5, 1 / 1.5), run.decode_ms
    ))  # fmt: skip
    few = blocks_of(wild_pilot, 36)
    assert half_width(wild_pilot, PILOT) == pytest.approx(half_width(few, PILOT) * math.sqrt(36 / 100), rel=0.05)


def test_how_many_blocks_it_takes_is_said_and_enough():
    run = one_phase(5, 19, noise_sd=0.1)
    early = standing(blocks_of(run, PILOT), within=0.10, pilot_blocks=PILOT)
    assert early is not None
    assert (early.blocks, early.mode, early.phase, early.is_reached) == (PILOT, "fixed_2", Phase.STEADY, False)
    assert 100 * math.expm1(half_width(blocks_of(run, PILOT), PILOT)) == pytest.approx(early.half_width_percent)
    assert early.blocks_needed > PILOT
    generous = standing(blocks_of(run, PILOT), within=5.0, pilot_blocks=PILOT)
    assert generous is not None
    assert generous.is_reached


def test_only_the_phases_asked_for_count():
    run = simulated(modes=MODES, blocks=6)
    phases = {
        standing(run, within=0.01, pilot_blocks=PILOT, phases={phase}).phase
        for phase in Phase
        if phase in (Phase.LOAD, Phase.STEADY)
    }
    assert phases == {Phase.LOAD, Phase.STEADY}


def test_without_two_blocks_nothing_stands():
    assert standing(one_phase(1, 1), within=0.1, pilot_blocks=PILOT) is None
    alone = simulated(modes=("fixed_2",), blocks=4)
    assert standing(alone, within=0.1, pilot_blocks=PILOT) is None
