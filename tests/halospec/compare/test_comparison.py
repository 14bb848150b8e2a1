"""Runs compared: hand-worked changes, what pairs, and what a comparison cannot say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from halospec.analysis.loading import requests_of
from halospec.analysis.slo import Slo
from halospec.compare.comparison import compare_runs
from halospec.compare.metrics import ComparedMetric
from halospec.compare.runs import ComparedRun
from halospec.compare.values import Finding, Method
from halospec.records.schema import Phase
from made_runs import Cell, made_manifest, made_records


def run(name="a", *, manifest=True, changes=None, **course):
    records = made_records(**course)
    of = made_manifest(records, **(changes or {})) if manifest else None
    return ComparedRun(name=name, path=Path(name), requests=requests_of(records), manifest=of)


def per_block(*values):
    return lambda cell: values[cell.block - 1]


def rows(*runs, metric=ComparedMetric.TPOT, **options):
    (comparison,) = compare_runs(runs, [metric], **options).comparisons
    return {(row.mode, row.phase): row for row in comparison.rows}


ONE_MODE = {"modes": ("fixed_2",), "blocks": 2}


def test_the_change_of_paired_runs_is_the_mean_of_the_blocks_log_ratios_with_t_beside_it():
    a = run("a", tpot_ms=per_block(10, 20), **ONE_MODE)
    b = run("b", tpot_ms=per_block(11, 24), **ONE_MODE)
    change = rows(a, b)["fixed_2", Phase.STEADY].change

    logs = [math.log(1.1), math.log(1.2)]
    middle, half = np.mean(logs), stats.t.ppf(0.975, 1) * np.std(logs, ddof=1) / math.sqrt(2)
    assert change.percent == pytest.approx(100 * math.expm1(middle))
    assert change.low_percent == pytest.approx(100 * math.expm1(middle - half))
    assert change.high_percent == pytest.approx(100 * math.expm1(middle + half))
    assert (change.method, change.blocks) == (Method.T_ON_BLOCKS, 2)


def test_runs_of_other_plans_are_compared_by_welch_on_the_blocks_logarithms():
    a = run("a", tpot_ms=per_block(10, 20, 10), modes=("fixed_2",), blocks=3)
    b = run("b", tpot_ms=per_block(11, 24), changes={"pairing_sha256": "f" * 64}, **ONE_MODE)
    change = rows(a, b)["fixed_2", Phase.STEADY].change

    by_scipy = stats.ttest_ind(np.log([11, 24]), np.log([10, 20, 10]), equal_var=False).confidence_interval()
    assert change.low_percent == pytest.approx(100 * math.expm1(by_scipy.low))
    assert change.high_percent == pytest.approx(100 * math.expm1(by_scipy.high))
    assert (change.method, change.blocks) == (Method.WELCH, 2)


def test_more_modes_and_more_candidates_widen_the_intervals():
    a, b, c = (run(name, tpot_ms=per_block(10, 10.1 + n, 10.4), blocks=3) for n, name in enumerate("abc"))
    alone = rows(a, run("b", tpot_ms=per_block(10, 11.1, 10.4), blocks=3, modes=("fixed_0",)))
    among_modes = rows(a, b)
    among_runs = compare_runs([a, b, c], [ComparedMetric.TPOT]).comparisons[0].rows[0].change
    narrow, wide = (which["fixed_0", Phase.STEADY].change for which in (alone, among_modes))
    assert narrow.percent == pytest.approx(wide.percent) == pytest.approx(among_runs.percent)
    assert narrow.high_percent < wide.high_percent < among_runs.high_percent


@pytest.mark.parametrize(
    ("metric", "before", "after"),
    [
        (ComparedMetric.TPOT, 10, 20),
        (ComparedMetric.TTFT, 50, 60),
        (ComparedMetric.LATENCY, 50 + 32 * 10, 60 + 32 * 20),
        (ComparedMetric.TOKENS_PER_S, 33 / 0.37, 33 / 0.7),
        (ComparedMetric.ACCEPTANCE, 0.5, 0.25),
    ],
)
def test_each_metric_is_a_ratio_of_sums(metric, before, after):
    a = run("a", modes=("fixed_2",))
    b = run(
        "b",
        modes=("fixed_2",),
        tpot_ms=lambda cell: 20,
        ttft_ms=lambda cell: 60,
        acceptance=lambda cell: 0.25,
    )
    row = rows(a, b, metric=metric)["fixed_2", Phase.STEADY]
    assert (row.baseline.value, row.candidate.value) == (pytest.approx(before), pytest.approx(after))
    assert row.change.percent == pytest.approx(100 * (after / before - 1))


def test_a_long_reply_weighs_as_much_as_its_tokens():
    records = made_records(modes=("fixed_2",), blocks=1, prompts=("p1",), phases={Phase.STEADY: 2}, warmup=0)
    # 320 ms over 32 gaps and 80 ms over 4: 400 / 36, not the mean of 10 and 20.
    short = records[1].model_copy(update={"completion_tokens": 5, "ended_ns": records[1].first_token_ns + 80_000_000})
    made = ComparedRun("a", Path("a"), requests_of([records[0], short]), None)
    assert rows(made, run("b", **ONE_MODE))["fixed_2", Phase.STEADY].baseline.value == pytest.approx(400 / 36)


def test_no_drafting_has_no_acceptance():
    assert list(rows(run("a"), run("b"), metric=ComparedMetric.ACCEPTANCE)) == [("fixed_2", Phase.STEADY)]


def test_more_is_better_in_rates_and_worse_in_times():
    a = run("a")
    b = run("b", tpot_ms=lambda cell: 20 + 0.01 * cell.block)
    assert rows(a, b)["fixed_2", Phase.STEADY].finding is Finding.WORSE
    assert rows(a, b, metric=ComparedMetric.TOKENS_PER_S)["fixed_2", Phase.STEADY].finding is Finding.WORSE
    assert rows(b, a)["fixed_2", Phase.STEADY].finding is Finding.BETTER


def test_one_block_gives_estimates_without_intervals_and_says_so():
    whole = compare_runs([run("a", blocks=1), run("b", blocks=1, tpot_ms=lambda cell: 12)], [ComparedMetric.TPOT])
    row = whole.comparisons[0].rows[0]
    assert row.change.percent == pytest.approx(20)
    assert (row.change.low_percent, row.change.high_percent, row.change.method) == (None, None, None)
    assert row.finding is Finding.UNKNOWN
    assert any("only one block" in caution for caution in whole.cautions)


def test_of_runs_of_unequal_length_the_common_blocks_are_paired():
    a = run("a", tpot_ms=per_block(10, 20), **ONE_MODE)
    b = run("b", tpot_ms=per_block(11, 22, 99), modes=("fixed_2",), blocks=3)
    whole = compare_runs([a, b], [ComparedMetric.TPOT])
    row = whole.comparisons[0].rows[0]
    assert (row.baseline.blocks, row.candidate.blocks, row.change.blocks) == (2, 3, 2)
    assert row.change.percent == pytest.approx(10)
    assert whole.comparisons[0].unmatched_cells == 3


def test_a_request_without_a_counterpart_is_in_no_change():
    def slow_where_a_fails(cell: Cell) -> float:
        return 500.0 if (cell.block, cell.step) == (1, 1) else 11.0

    a = run("a", fails=lambda cell: (cell.block, cell.step) == (1, 1), **ONE_MODE)
    b = run("b", tpot_ms=slow_where_a_fails, **ONE_MODE)
    whole = compare_runs([a, b], [ComparedMetric.TPOT])
    assert whole.comparisons[0].rows[0].change.percent == pytest.approx(10)
    assert whole.comparisons[0].unmatched_cells == 1


def test_prompts_and_modes_are_matched_by_name_whatever_their_order_in_the_files():
    a = run("a", modes=("fixed_0", "fixed_2"), prompts=("p1", "p2"), phases={Phase.STEADY: 2})
    b = run("b", modes=("fixed_2",), prompts=("p2", "p1"), phases={Phase.STEADY: 2}, seed=5)
    whole = compare_runs([a, b], [ComparedMetric.TPOT])
    assert whole.comparisons[0].unmatched_cells == 0
    assert [(row.mode, row.change.percent) for row in whole.comparisons[0].rows] == [("fixed_2", pytest.approx(0))]
    assert whole.comparisons[0].only_in_baseline == ("fixed_0",)


def test_runs_without_a_common_mode_have_nothing_to_compare():
    assert rows(run("a", modes=("fixed_0",)), run("b", modes=("fixed_2",))) == {}


def test_twenty_blocks_are_bootstrapped():
    shared = {"modes": ("fixed_2",), "blocks": 20, "prompts": [f"p{n}" for n in range(3)]}
    a = run("a", tpot_ms=lambda cell: 10 + cell.block % 5, **shared)
    b = run("b", tpot_ms=lambda cell: 11 + (cell.block * 7) % 5, **shared)
    assert rows(a, b)["fixed_2", Phase.STEADY].change.method is Method.BOOTSTRAP


@pytest.mark.parametrize("pairing", ["0" * 64, "f" * 64])
def test_a_block_in_which_nothing_was_accepted_leaves_an_estimate_and_a_reason(pairing):
    a = run("a", modes=("fixed_2",))
    b = run("b", modes=("fixed_2",), acceptance=per_block(0, 0.5, 0.5, 0.5), changes={"pairing_sha256": pairing})
    row = rows(a, b, metric=ComparedMetric.ACCEPTANCE)["fixed_2", Phase.STEADY]
    assert row.candidate.value == pytest.approx(0.375)
    assert row.change.percent == pytest.approx(-25)
    assert row.change.low_percent is None
    assert "no ratio" in row.change.note


def test_an_acceptance_of_nothing_has_no_change_to_it():
    a = run("a", modes=("fixed_2",), acceptance=lambda cell: 0.0)
    row = rows(a, run("b"), metric=ComparedMetric.ACCEPTANCE)["fixed_2", Phase.STEADY]
    assert (row.baseline.value, row.change) == (0, None)


def test_attainment_counts_failures_as_missed():
    def fails(cell: Cell) -> bool:
        return cell.step == 3

    a, b = run("a", **ONE_MODE), run("b", fails=fails, tpot_ms=lambda cell: 20 if cell.step == 2 else 10, **ONE_MODE)
    row = rows(a, b, metric=ComparedMetric.ATTAINMENT, slo=Slo(tpot_ms=15))["fixed_2", Phase.STEADY]
    assert (row.baseline.value, row.candidate.value) == (1, pytest.approx(1 / 3))
    assert row.change.percent == pytest.approx(-200 / 3)
    assert row.candidate.low < 1 / 3 < row.candidate.high
    assert row.change.method is Method.SHARES


def test_attainment_needs_objectives():
    with pytest.raises(ValueError, match="--slo"):
        compare_runs([run("a"), run("b")], [ComparedMetric.ATTAINMENT])


def test_warm_ups_are_in_no_number():
    def slow_warm_up(cell: Cell) -> float:
        return 500.0 if cell.phase is Phase.WARMUP else 10.0

    assert rows(run("a"), run("b", tpot_ms=slow_warm_up))["fixed_2", Phase.STEADY].change.percent == pytest.approx(0)


def test_a_phase_of_a_mode_that_only_one_run_has_is_named():
    a = run("a", modes=("fixed_0", "fixed_2"))
    b = run("b", modes=("fixed_0", "fixed_4"), phases={Phase.STEADY: 2, Phase.LOAD: 1})
    (comparison,) = compare_runs([a, b], [ComparedMetric.TPOT]).comparisons
    assert comparison.only_in_baseline == ("fixed_2",)
    assert comparison.only_in_candidate == ("fixed_0 in load", "fixed_4")


def test_the_interval_of_a_share_ends_at_1():
    b = run("b", acceptance=per_block(0.7, 0.99), **ONE_MODE)
    row = rows(run("a", **ONE_MODE), b, metric=ComparedMetric.ACCEPTANCE)["fixed_2", Phase.STEADY]
    assert row.candidate.high == 1.0
    assert row.candidate.low < row.candidate.value < 1
