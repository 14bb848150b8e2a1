from dataclasses import replace

import numpy as np
import pytest

from halospec.analysis.design import CLASSIC, DesignReport, Order, Support, declared_design, design_of
from halospec.analysis.loading import requests_of
from halospec.analysis.requests import PHASES
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import Phase
from simulated_requests import simulated

NO_VERDICT = "This design supports no verdict on which mode is best."


def original_rows(*, failing: int = 0) -> list[ClassicRow]:
    """What the original leaves behind: fixed_1 to fixed_8, ten steps each, then adaptive, alone under load."""
    rows: list[ClassicRow] = []
    for mode, steps in [*((f"fixed_{k}", 10) for k in range(1, 9)), ("adaptive", 15)]:
        for step in range(1, steps + 1):
            loaded = mode == "adaptive" and step >= 6
            phase = Phase.STEADY if not loaded else Phase.LOAD if step < 12 else Phase.RECOVERY
            fails = mode == "fixed_8" and step <= failing
            latency_ms = 0 if fails else 5000 + 10 * len(rows)
            rows.append(ClassicRow(len(rows) + 1, step, mode, phase, 4, not fails, latency_ms, 0 if fails else 60))
    return rows


def has(report: DesignReport, text: str) -> bool:
    return any(text in sentence for sentence in report.sentences)


def test_the_originals_design_supports_no_verdict_and_says_why():
    report = design_of(requests_of(original_rows()))
    assert report.support is Support.DESCRIPTION
    assert (report.blocks, report.order, report.paired_share, report.same_phases) == (1, Order.SAME, None, False)
    assert report.sentences == (
        NO_VERDICT,
        "The modes ran one after another, once each (fixed_1 to fixed_8, adaptive): drift of the machine cannot be told"
        " from mode.",
        "Which prompt a request had is not on record, so requests of different modes are not paired.",
        "Load reached adaptive alone: in load and recovery it can be compared with no other mode.",
        "Requests of each mode: 10 (fixed_1 to fixed_8); 15 (adaptive).",
        "It does support a description of each mode by itself: in steady the latency's sd within a mode is 0 % to 1 %"
        " of its mean, and the highest mean lies 15 % above the lowest.",
    )


def test_the_originals_failures_lost_their_time_and_are_not_evenly_spread():
    report = design_of(requests_of(original_rows(failing=3)))
    assert report.failures_unlike
    assert report.failures_without_time
    assert has(report, "(fixed_8 3 of 10)")
    assert has(report, "on record with 0 ms")


def test_several_runs_in_a_file_are_not_one():
    assert has(design_of(requests_of(original_rows()), runs_in_file=4), "The file holds 4 runs")
    assert not has(design_of(requests_of(original_rows())), "The file holds")


def test_the_originals_experiment_run_by_this_tool_supports_no_verdict_either():
    report = design_of(simulated(prompts=1, blocks=1), declared=CLASSIC)
    assert report.support is Support.DESCRIPTION
    assert report.sentences[0] == NO_VERDICT
    assert has(report, "All requests have the same prompt")


def test_blocks_in_random_order_with_paired_prompts_support_comparisons():
    report = design_of(simulated(), declared="blocked")
    assert report.support is Support.COMPARISON
    assert (report.blocks, report.order, report.paired_share, report.same_phases) == (6, Order.VARIED, 1.0, True)
    assert report.sentences == ()


def test_one_block_supports_estimates():
    assert design_of(simulated(blocks=1)).support is Support.ESTIMATE


def test_an_order_that_never_varies_confounds_drift_unless_it_is_known_to_be_chance():
    requests = simulated(blocks=4)
    order = np.lexsort((requests.step, requests.mode, requests.block))
    fixed = replace(requests.taken(order), started_ns=np.arange(len(requests)))
    assert design_of(fixed).support is Support.DESCRIPTION
    assert has(design_of(fixed), "in the same order in all 4 blocks")
    drawn = design_of(fixed, declared="blocked")
    assert drawn.support is Support.COMPARISON
    assert has(drawn, "By chance the modes ran in the same order")


def test_the_order_is_told_by_the_clock_and_not_by_the_order_of_the_rows():
    requests = simulated()
    shuffled = requests.taken(np.random.default_rng(1).permutation(len(requests)))
    assert design_of(shuffled).order is design_of(requests).order is Order.VARIED


def test_modes_that_take_turns_are_seen_to():
    requests = simulated()
    order = np.lexsort((requests.mode, requests.step, requests.block))
    turns = replace(requests.taken(order), started_ns=np.arange(len(requests)))
    report = design_of(turns)
    assert report.order is Order.TURNS
    assert report.support is Support.COMPARISON


def test_a_block_cut_short_leaves_the_order_what_it_was():
    requests = simulated(blocks=3)
    last = requests.started_ns > np.quantile(requests.started_ns, 0.8)
    assert design_of(requests.where(~last)).order is design_of(requests).order


def test_prompts_that_only_some_modes_were_asked_are_counted():
    requests = simulated(modes=("fixed_0", "fixed_2"), blocks=2, steps=5, phases=(Phase.STEADY,))
    some = requests.where(~((requests.mode == 1) & (requests.step > 3)))
    report = design_of(some, declared="blocked")
    assert report.paired_share == pytest.approx(0.6)
    assert has(report, "60 % of the prompts asked in a block were asked in all of its modes")


def test_a_phase_that_only_some_modes_saw_is_named():
    requests = simulated()
    load, adaptive = PHASES.index(Phase.LOAD), requests.modes.index("adaptive")
    some = requests.where((requests.phase != load) | (requests.mode == adaptive))
    assert has(design_of(some), "Load reached adaptive alone")
    most = requests.where((requests.phase != load) | (requests.mode != adaptive))
    assert has(design_of(most), "In load there are no requests of adaptive.")


def test_failures_alike_in_all_modes_are_no_caution():
    requests = simulated()
    alike = replace(requests, success=requests.step != 1)
    assert not design_of(alike).failures_unlike
    assert design_of(alike).sentences == ()


def test_one_mode_alone_needs_no_cautions():
    assert design_of(simulated(modes=("fixed_2",))).sentences == ()


def test_no_requests_are_described_too():
    requests = simulated()
    report = design_of(requests.where(np.zeros(len(requests), dtype=np.bool_)))
    assert report.modes == ()
    assert report.sentences == ()


def test_a_mode_is_named_without_control_characters():
    rows = [replace(row, mode="a\x1b[2J" if row.mode == "adaptive" else row.mode) for row in original_rows()]
    assert not any("\x1b" in sentence for sentence in design_of(requests_of(rows)).sentences)


def test_without_a_manifest_no_design_is_declared():
    assert declared_design(None) is None


def test_a_report_is_safe_to_write_and_read_again():
    report = design_of(requests_of(original_rows(failing=2)))
    assert DesignReport.model_validate_json(report.model_dump_json()) == report
