import math
from pathlib import Path

import numpy as np
import pytest

from halospec.analysis.loading import read_run, requests_of
from halospec.analysis.regret import RegretSummary, regret
from halospec.records.schema import Phase
from made_runs import made_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"
PHASES = {Phase.STEADY: 3, Phase.LOAD: 3}
COSTS = {
    # Milliseconds per token: k = 4 is best in quiet and over all, k = 0 under load; the controller is near either.
    "fixed_0": {Phase.STEADY: 20.0, Phase.LOAD: 30.0},
    "fixed_4": {Phase.STEADY: 10.0, Phase.LOAD: 36.0},
    "adaptive": {Phase.STEADY: 11.0, Phase.LOAD: 30.0},
}


def cost_with_blocks(cell):
    """Blocks differ by a factor that all modes share."""
    return COSTS[cell.mode][cell.phase if cell.phase in PHASES else Phase.STEADY] * (1 + 0.1 * cell.block)


def found_in(**settings):
    records = made_records(**({"modes": tuple(COSTS), "phases": PHASES, "tpot_ms": cost_with_blocks} | settings))
    found = regret(requests_of(records))
    return found, {one.mode: one for one in found.modes}


def test_the_best_fixed_k_is_that_of_all_phases_together_and_the_oracle_takes_the_best_of_each():
    found, _ = found_in()
    mean_of_blocks = 1.25
    assert found.best_fixed.mode == "fixed_4"
    assert found.best_fixed.tpot_ms == pytest.approx(23.0 * mean_of_blocks)
    assert [(one.phase, one.mode, one.tpot_ms, one.token_share) for one in found.best_in_phase] == [
        (Phase.STEADY, "fixed_4", pytest.approx(10.0 * mean_of_blocks), pytest.approx(0.5)),
        (Phase.LOAD, "fixed_0", pytest.approx(30.0 * mean_of_blocks), pytest.approx(0.5)),
    ]
    assert (found.blocks, found.common_places, found.places) == (4, 24, 24)


def test_regret_is_the_time_per_token_beyond_a_reference_and_may_be_negative_for_a_controller():
    _, modes = found_in()
    # Over both phases: fixed_0 25, fixed_4 23, adaptive 20.5, oracle 20 ms per token, times the blocks' mean of 1.25.
    against_best = {mode: one.against_best_fixed.per_token_ms for mode, one in modes.items()}
    assert against_best == {
        "fixed_0": pytest.approx(2.0 * 1.25),
        "fixed_4": pytest.approx(0.0),
        "adaptive": pytest.approx(-2.5 * 1.25),
    }
    against_oracle = {mode: one.against_oracle.per_token_ms for mode, one in modes.items()}
    assert against_oracle == {
        "fixed_0": pytest.approx(5.0 * 1.25),
        "fixed_4": pytest.approx(3.0 * 1.25),
        "adaptive": pytest.approx(0.5 * 1.25),
    }
    assert modes["adaptive"].against_best_fixed.percent == pytest.approx(100 * -2.5 / 23)
    assert modes["adaptive"].against_oracle.percent == pytest.approx(100 * 0.5 / 20)


def test_phases_weigh_by_their_tokens():
    found, modes = found_in(phases={Phase.STEADY: 9, Phase.LOAD: 3}, prompts=[f"p{n}" for n in range(12)])
    assert [one.token_share for one in found.best_in_phase] == [pytest.approx(0.75), pytest.approx(0.25)]
    assert modes["adaptive"].against_oracle.per_token_ms == pytest.approx((0.75 * 1.0 + 0.25 * 0.0) * 1.25)
    assert modes["fixed_4"].against_best_fixed.per_token_ms == pytest.approx(0.0)


def noisy(seed, spread=0.05):
    chance = np.random.default_rng(seed)
    return lambda cell: cost_with_blocks(cell) * math.exp(chance.normal(0, spread))


@pytest.mark.parametrize("seed", range(5))
def test_no_fixed_mode_beats_the_best_fixed_or_the_oracle_whatever_the_noise(seed):
    _, modes = found_in(tpot_ms=noisy(seed))
    for mode in ("fixed_0", "fixed_4"):
        for one in (modes[mode].against_best_fixed, modes[mode].against_oracle):
            assert one.per_token_ms >= 0
            assert one.low_ms >= 0
    for one in modes.values():
        for found in (one.against_best_fixed, one.against_oracle):
            assert found.low_ms <= found.per_token_ms <= found.high_ms
            assert found.low_percent <= found.percent <= found.high_percent


def test_a_clear_gain_over_every_constant_has_an_interval_below_0():
    _, modes = found_in(tpot_ms=noisy(1, spread=0.01), blocks=8)
    gain = modes["adaptive"].against_best_fixed
    assert gain.low_percent < 100 * -2.5 / 23 < gain.high_percent < 0
    loss = modes["adaptive"].against_oracle
    assert 0 < loss.low_percent < 100 * 0.5 / 20 < loss.high_percent


@pytest.mark.parametrize("blocks", [4, 22])
def test_intervals_cover_the_truth_in_runs_of_either_size(blocks):
    # One draw each; how often they cover in many is tested where the intervals are made.
    _, modes = found_in(tpot_ms=noisy(3, spread=0.02), blocks=blocks)
    found = modes["adaptive"].against_oracle
    assert found.low_percent < 2.5 < found.high_percent


def test_the_oracles_interval_sums_intervals_of_the_phases_that_hold_jointly():
    records = made_records(modes=tuple(COSTS), phases=PHASES, tpot_ms=noisy(4), blocks=6)
    joint = {one.mode: one.against_oracle for one in regret(requests_of(records), confidence=0.9).modes}
    for mode in COSTS:
        low_ms, high_ms = 0.0, 0.0
        for phase in PHASES:
            of_phase = regret(requests_of([one for one in records if one.phase is phase]), confidence=0.95)
            alone = next(one.against_oracle for one in of_phase.modes if one.mode == mode)
            low_ms, high_ms = low_ms + alone.low_ms / 2, high_ms + alone.high_ms / 2
        assert (joint[mode].low_ms, joint[mode].high_ms) == (pytest.approx(low_ms), pytest.approx(high_ms))


def test_many_blocks_are_all_used():
    found, modes = found_in(tpot_ms=noisy(5, spread=0.1), blocks=70)
    assert found.blocks == 70
    gain = modes["adaptive"].against_best_fixed
    assert gain.low_percent < 100 * -2.5 / 23 < gain.high_percent < 0
    mean_of_blocks = 1 + 0.1 * 35.5
    assert found.best_fixed.tpot_ms == pytest.approx(23.0 * mean_of_blocks, rel=0.03)


def test_one_block_has_values_and_no_intervals():
    _, modes = found_in(blocks=1)
    one = modes["adaptive"].against_best_fixed
    assert one.percent == pytest.approx(100 * -2.5 / 23)
    assert (one.low_ms, one.high_ms, one.low_percent, one.high_percent) == (None, None, None, None)
    assert modes["fixed_4"].against_best_fixed.per_token_ms == 0


def test_only_requests_that_every_mode_answered_count():
    # The controller fails wherever it would have been slow, which would make it look faster.
    found, modes = found_in(fails=lambda cell: cell.mode == "adaptive" and cell.phase is Phase.LOAD and cell.step < 6)
    assert (found.common_places, found.places) == (16, 24)
    assert [one.token_share for one in found.best_in_phase] == [pytest.approx(0.75), pytest.approx(0.25)]
    assert modes["adaptive"].against_oracle.percent == pytest.approx(100 * 0.75 / (0.75 * 10 + 0.25 * 30))


def test_a_phase_that_some_mode_was_never_in_is_left_out():
    # As in the original's experiment, in which load reached one mode only.
    records = [one for one in made_records(modes=tuple(COSTS), phases=PHASES) if one.mode == "adaptive" or one.step < 4]
    found = regret(requests_of(records))
    assert [one.phase for one in found.best_in_phase] == [Phase.STEADY]


def test_without_a_fixed_mode_or_something_to_compare_there_is_no_regret(make_record):
    assert regret(requests_of(made_records(modes=("adaptive",)))) is None
    assert regret(requests_of(made_records(modes=("adaptive", "heuristic")))) is None
    assert regret(requests_of(made_records(modes=("fixed_2",)))) is None
    assert regret(requests_of([make_record(), make_record(mode="fixed_0")])) is None
    assert regret(requests_of([])) is None


def test_the_only_fixed_mode_is_its_own_reference():
    found = regret(requests_of(made_records(modes=("fixed_2", "adaptive"))))
    itself, controller = found.modes
    assert found.best_fixed.mode == "fixed_2"
    assert itself.against_best_fixed is itself.against_oracle is None
    assert controller.against_best_fixed.per_token_ms == pytest.approx(0.0)


def test_the_recorded_run_has_one_block_and_so_no_intervals():
    found = regret(read_run(DEMO).requests)
    assert [one.mode for one in found.modes] == ["fixed_0", "fixed_2", "fixed_4", "fixed_8", "adaptive"]
    assert all(one.against_oracle.low_ms is None for one in found.modes)
    assert RegretSummary.model_validate_json(found.model_dump_json()) == found


def test_replies_that_come_all_at_once_have_no_relative_regret(make_record):
    at_once = {"first_token_ns": 100_000_000, "ended_ns": 100_000_000}
    slower = {"first_token_ns": 100_000_000, "ended_ns": 300_000_000}
    records = [
        make_record(mode=mode, block=block, **times)
        for block in range(1, 4)
        for mode, times in (("fixed_0", at_once), ("fixed_2", slower), ("adaptive", slower))
    ]
    found = regret(requests_of(records))
    assert found.best_fixed.tpot_ms == 0
    assert {one.against_best_fixed for one in found.modes} == {None}
