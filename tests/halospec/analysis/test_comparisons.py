from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from halospec.analysis.cells import Metric
from halospec.analysis.comparisons import Comparisons, comparisons
from halospec.analysis.requests import Requests
from halospec.inference.types import Method
from halospec.records.schema import Phase
from simulated_requests import simulated

STEADY = (Phase.STEADY,)
QUIET = {"block_sd": 0.0, "mode_in_block_sd": 0.0, "prompt_sd": 0.0, "noise_sd": 0.0, "drift": 0.0}


def compared(requests: Requests, **choice) -> Comparisons:
    result = comparisons(requests, **choice)
    assert result is not None
    return result


def primary(requests: Requests, **choice):
    family = compared(requests, **choice).primary
    assert family is not None
    return family


def difference(family, mode, phase=Phase.STEADY):
    (row,) = [row for row in family.rows if (row.mode, row.phase) == (mode, phase)]
    assert row.to_reference is not None
    return row.to_reference


def anything_is_claimed(family) -> bool:
    return (
        family.finds_anything
        or any(best.winner or len(best.candidates) < len(best.modes) for best in family.best)
        or any(row.to_best_fixed is not None and row.to_best_fixed.found for row in family.rows)
    )


def tpot_only(requests: Requests) -> Requests:
    unknown = np.full(len(requests), np.nan)
    return replace(requests, ttft_ms=unknown, latency_ms=unknown)


def test_a_difference_is_paired_by_block_so_that_slow_blocks_do_not_hide_it():
    requests = simulated(
        modes=("fixed_0", "fixed_2"),
        phases=STEADY,
        effects={"fixed_2": np.log(0.9)},
        **(QUIET | {"block_sd": 1.0, "prompt_sd": 1.0, "noise_sd": 0.001}),
    )
    found = difference(primary(requests), "fixed_2")
    assert found.percent == pytest.approx(-10, abs=0.2)
    assert found.found
    assert found.blocks == 6
    assert found.method is Method.T_ON_BLOCKS


def test_two_modes_in_one_phase_are_compared_by_students_t_on_the_log_ratios_of_blocks():
    requests = simulated(modes=("fixed_0", "fixed_2"), phases=STEADY, blocks=5, effects={"fixed_2": -0.2})
    ratios = []
    for block in range(1, 6):
        here = requests.of_block(block)
        tpot = [here.of_mode(mode).decode_ms.sum() / (here.of_mode(mode).tokens - 1).sum() for mode in here.modes]
        ratios.append(np.log(tpot[1] / tpot[0]))
    low, high = stats.t.interval(0.95, 4, loc=np.mean(ratios), scale=stats.sem(ratios))
    found = difference(primary(requests), "fixed_2")
    assert found.percent == pytest.approx(100 * np.expm1(np.mean(ratios)))
    assert (found.low_percent, found.high_percent) == pytest.approx((100 * np.expm1(low), 100 * np.expm1(high)))


def test_a_prompt_that_only_one_mode_answered_takes_no_part():
    requests = simulated(modes=("fixed_0", "fixed_2"), phases=STEADY, **QUIET)
    slow = requests.prompt == 0
    requests = replace(requests, decode_ms=np.where(slow, 50 * requests.decode_ms, requests.decode_ms))
    one_sided = requests.where(~(slow & (requests.mode == 1)))
    assert difference(primary(one_sided), "fixed_2").percent == pytest.approx(0, abs=1e-6)


def test_a_block_cut_short_counts_for_the_modes_that_it_holds():
    requests = simulated(modes=("fixed_0", "fixed_2", "fixed_4"), phases=STEADY, blocks=5)
    cut = requests.where(~((requests.block == 5) & (requests.mode == 2)))
    family = primary(cut)
    assert difference(family, "fixed_2").blocks == 5
    assert difference(family, "fixed_4").blocks == 4


@pytest.mark.parametrize(
    ("modes", "asked", "chosen"),
    [
        (("adaptive", "fixed_0", "fixed_4"), None, "fixed_0"),
        (("adaptive", "fixed_2", "fixed_4"), None, "fixed_2"),
        (("adaptive", "bandit"), None, "adaptive"),
        (("fixed_0", "fixed_2", "fixed_4"), "fixed_4", "fixed_4"),
    ],
)
def test_the_reference_is_plain_decoding_or_the_lowest_fixed_k_unless_another_is_asked_for(modes, asked, chosen):
    # Any mode's name will do for requests that nobody sent.
    requests = replace(simulated(modes=("fixed_0", "fixed_2", "fixed_4")[: len(modes)]), modes=tuple(sorted(modes)))
    assert compared(tpot_only(requests), reference=asked).reference == chosen


def test_a_reference_that_did_not_run_is_refused_with_the_modes_that_did():
    with pytest.raises(ValueError, match=r"no successful request of mode 'fixed_3'.*fixed_0, fixed_2\."):
        comparisons(simulated(modes=("fixed_0", "fixed_2")), reference="fixed_3")


def test_one_mode_is_compared_with_nothing():
    assert comparisons(simulated(modes=("fixed_2",))) is None


def test_one_block_gives_estimates_and_differences_without_intervals():
    family = primary(simulated(blocks=1, effects={"fixed_4": -1.0}))
    assert not family.has_intervals
    assert not anything_is_claimed(family)
    assert family.best == ()
    for row in family.rows:
        assert row.value_ms > 0
        assert row.low_ms is None
        for against in (row.to_reference, row.to_best_fixed):
            assert against is None or (against.low_percent, against.smallest_detectable_percent) == (None, None)


def test_differences_are_simultaneous_over_modes_and_phases():
    family = primary(simulated())
    assert family.metric is Metric.TPOT
    assert family.comparisons == 4 * 3
    alone = primary(simulated().in_phase(Phase.STEADY))
    joint, single = difference(family, "fixed_4"), difference(alone, "fixed_4")
    assert joint.percent == single.percent
    assert joint.low_percent < single.low_percent < single.high_percent < joint.high_percent


def test_a_clear_best_is_a_winner_in_its_phase_alone():
    family = primary(simulated(effects={("fixed_2", Phase.STEADY): -0.7}, mode_in_block_sd=0.01))
    best = {one.phase: one for one in family.best}
    assert best[Phase.STEADY].winner == "fixed_2"
    assert best[Phase.STEADY].candidates == ("fixed_2",)
    assert not family.finds_in(Phase.LOAD)
    assert best[Phase.LOAD].winner is None
    assert best[Phase.LOAD].candidates == best[Phase.LOAD].modes


def test_modes_that_are_alike_are_not_told_apart_as_the_best():
    family = primary(simulated(effects={"fixed_2": -0.7, "fixed_4": -0.7}, phases=STEADY))
    (best,) = family.best
    assert best.candidates == ("fixed_2", "fixed_4")
    assert best.winner is None


@pytest.mark.parametrize("seed", range(12))
def test_the_best_never_contradict_what_was_found_against_the_reference(seed):
    effects = dict(
        zip(("fixed_1", "fixed_2", "fixed_4", "adaptive"), np.random.default_rng(seed).normal(0, 0.1, 4), strict=True)
    )
    family = primary(tpot_only(simulated(effects=effects, seed=seed)))
    for best in family.best:
        differences = {row.mode: row.to_reference for row in family.rows_in(best.phase) if row.to_reference is not None}
        faster = {mode for mode, to in differences.items() if to.found and to.percent < 0}
        slower = {mode for mode, to in differences.items() if to.found and to.percent > 0}
        assert best.candidates
        assert not slower & set(best.candidates)
        assert not (faster and "fixed_0" in best.candidates)
        if faster:
            assert faster & set(best.candidates)
        if best.winner == "fixed_0":
            assert slower == set(differences)


def test_a_controller_is_compared_with_the_best_fixed_k():
    family = primary(simulated(effects={"fixed_2": -0.7, "adaptive": -0.3}, phases=STEADY, mode_in_block_sd=0.01))
    rows = {row.mode: row for row in family.rows}
    against = rows["adaptive"].to_best_fixed
    assert against is not None
    assert against.found
    assert against.low_percent < 100 * np.expm1(0.4) < against.high_percent


def test_a_fixed_mode_is_never_better_than_the_best_fixed_k():
    family = primary(simulated(effects={"fixed_2": -0.7}, phases=STEADY))
    lows = [row.to_best_fixed.low_percent for row in family.rows if row.to_best_fixed and row.mode != "adaptive"]
    assert len(lows) == 4
    assert min(lows) == 0


def test_secondary_metrics_are_families_of_their_own():
    result = compared(simulated())
    assert [family.metric for family in result.secondary] == [Metric.TTFT, Metric.LATENCY]
    assert all(family.comparisons == 12 and family.best == () for family in result.secondary)


def test_a_file_without_times_of_tokens_has_no_primary_comparisons():
    requests = simulated()
    result = compared(replace(requests, decode_ms=np.full(len(requests), np.nan)))
    assert result.primary is None
    assert [family.metric for family in result.secondary] == [Metric.TTFT, Metric.LATENCY]


def test_identical_times_are_no_difference():
    requests = simulated(**QUIET)
    family = primary(requests)
    assert not anything_is_claimed(family)


def test_two_blocks_whose_intervals_are_endless_are_still_numbers():
    family = primary(simulated(blocks=2, block_sd=5, mode_in_block_sd=50))
    assert all(row.to_reference is None or row.to_reference.high_percent is not None for row in family.rows)


def test_comparisons_are_safe_to_write_and_read_again():
    result = compared(simulated(effects={"fixed_2": -0.5}))
    assert Comparisons.model_validate_json(result.model_dump_json()) == result


def test_where_nothing_differs_a_run_claims_anything_in_at_most_one_case_in_twenty():
    runs = 120
    modes = ("fixed_0", "fixed_1", "fixed_2", "fixed_4", "fixed_8")
    nothing = (tpot_only(simulated(modes=modes, seed=seed)) for seed in range(1000, 1000 + runs))
    claims = sum(anything_is_claimed(primary(requests, seed=seed)) for seed, requests in enumerate(nothing))
    assert claims <= runs * (0.05 + 2 * np.sqrt(0.05 * 0.95 / runs))
