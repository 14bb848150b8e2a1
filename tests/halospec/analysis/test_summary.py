import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.loading import run_of
from halospec.analysis.summary import Summary, summarize_run, write_summary
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import CountSource, Phase
from halospec.records.switches import SwitchReason
from summarized import summarized

MS = 1_000_000


def failed(make_record, **fields):
    return make_record(**({"success": False, "error": "HTTP 500", "completion_tokens": None} | fields))


def test_the_original_table_worked_by_hand(make_record):
    records = [
        make_record(step=1, latency_ms=100, completion_tokens=10),
        make_record(step=2, latency_ms=300, completion_tokens=20),
        make_record(step=3, latency_ms=200, completion_tokens=30),
        failed(make_record, step=4, latency_ms=60_000),
    ]
    (mode,) = summarized(records).modes

    assert (mode.mode, mode.steps, mode.successes, mode.failures) == ("fixed_2", 4, 3, 1)
    assert mode.success_percent == 75
    assert (mode.mean_ms, mode.median_ms, mode.p95_ms) == (200, 200, 300)
    assert (mode.min_ms, mode.max_ms) == (100, 300)
    sd = math.sqrt(20_000 / 3)
    assert mode.sd_ms == pytest.approx(sd)
    assert mode.tokens_per_second == pytest.approx(60 / 0.6)
    assert mode.score == pytest.approx(200 + 150 + 0.2 * sd)


def test_a_phase_row_worked_by_hand(make_record):
    load = {"phase": Phase.LOAD, "mode": "adaptive"}
    records = [
        make_record(
            **load, draft_length=4, latency_ms=110, ttft_ms=10, first_token_ns=10 * MS, ended_ns=110 * MS,
            completion_tokens=11, drafted=8, accepted=6, rounds=4, load_percent=80,
        ),
        make_record(
            **load, draft_length=6, latency_ms=330, ttft_ms=30, first_token_ns=30 * MS, ended_ns=330 * MS,
            completion_tokens=31, drafted=24, accepted=10, rounds=4, load_percent=90,
        ),
        failed(make_record, **load, draft_length=1, load_percent=20),
    ]  # fmt: skip
    (row,) = summarized(records).phases

    assert (row.mode, row.phase, row.requests, row.failures) == ("adaptive", Phase.LOAD, 3, 1)
    assert (row.mean_ms, row.median_ms, row.max_ms) == (220, 220, 330)
    assert row.tpot_ms == 10
    assert row.ttft_ms == 20
    assert row.acceptance == 0.5
    assert row.drafted_per_round == 4
    assert row.score == pytest.approx(220 + 0.5 * 330 + 0.2 * 110)
    assert row.load_percent == 85
    assert row.draft_length == 5


def test_a_mode_has_tpot_and_acceptance_over_all_its_phases(make_record):
    records = [
        make_record(phase=phase, first_token_ns=0, ended_ns=ms * MS, completion_tokens=11, drafted=10, accepted=kept)
        for phase, ms, kept in [(Phase.STEADY, 100, 9), (Phase.LOAD, 300, 6)]
    ]
    (mode,) = summarized(records).modes
    assert mode.tpot_ms == 20
    assert mode.acceptance == 0.75


def test_warm_up_enters_no_number(make_record):
    measured = [make_record(), make_record(mode="adaptive")]
    warm = [
        make_record(phase=Phase.WARMUP, latency_ms=9000, drafted=1, accepted=1, text_sha256="x"),
        failed(make_record, phase=Phase.WARMUP, mode="fixed_9"),
    ]
    assert summarized(warm + measured, temperature=0) == summarized(measured, temperature=0)


def test_modes_come_fixed_by_k_first_whatever_the_order_they_ran_in(make_record):
    modes = ["cost_model", "fixed_10", "adaptive", "fixed_2", "fixed_0"]
    summary = summarized([make_record(mode=mode) for mode in modes])
    assert [mode.mode for mode in summary.modes] == ["fixed_0", "fixed_2", "fixed_10", "adaptive", "cost_model"]


def test_phases_without_requests_have_no_row(make_record):
    summary = summarized([make_record(phase=Phase.RECOVERY), make_record(phase=Phase.STEADY)])
    assert [row.phase for row in summary.phases] == [Phase.STEADY, Phase.RECOVERY]


def test_the_lowest_score_is_named(make_record):
    records = [make_record(mode="fixed_1", latency_ms=90), make_record(mode="fixed_2", latency_ms=80)]
    lowest = summarized([*records, failed(make_record, mode="fixed_3", latency_ms=1)]).lowest_score
    assert lowest is not None
    assert (lowest.mode, lowest.score, lowest.compared_modes) == ("fixed_2", 120, 2)
    assert lowest.same_phases


def test_scores_over_different_phases_are_marked_as_such(make_record):
    records = [
        make_record(mode="fixed_1"),
        make_record(mode="adaptive"),
        make_record(mode="adaptive", phase=Phase.LOAD),
    ]
    lowest = summarized(records).lowest_score
    assert lowest is not None
    assert not lowest.same_phases


def test_failures_are_counted_by_mode_and_reason(make_record):
    records = [
        failed(make_record, error="HTTP 500"),
        failed(make_record, error="timed out"),
        failed(make_record, error="timed out"),
        failed(make_record, mode="adaptive", error="HTTP 500"),
        make_record(),
    ]
    found = [(failure.mode, failure.error, failure.count) for failure in summarized(records).failures]
    assert found == [("fixed_2", "timed out", 2), ("fixed_2", "HTTP 500", 1), ("adaptive", "HTTP 500", 1)]


def test_a_mode_of_failures_has_no_statistics(make_record):
    summary = summarized([failed(make_record, step=step) for step in (1, 2)])
    (mode,) = summary.modes
    (phase,) = summary.phases

    assert (mode.steps, mode.success_percent, mode.failures) == (2, 0, 2)
    numbers = (mode.mean_ms, mode.p95_ms, mode.sd_ms, mode.score, mode.tokens_per_second, mode.tpot_ms)
    assert numbers == (None,) * 6
    assert (phase.mean_ms, phase.score, phase.ttft_ms, phase.load_percent) == (None,) * 4
    assert summary.lowest_score is None


def test_a_run_without_measured_requests_has_an_empty_summary():
    summary = summarized([])
    assert (summary.requests, summary.modes, summary.phases, summary.lowest_score) == (0, (), (), None)


def test_rows_of_the_original_csv_are_summarised_as_far_as_they_go():
    rows = [
        ClassicRow(1, 1, "fixed_3", Phase.STEADY, 3, True, 4000, 64),
        ClassicRow(2, 2, "fixed_3", Phase.STEADY, 3, True, 6000, 0),
        ClassicRow(3, 3, "fixed_3", Phase.STEADY, 3, False, 0, 0),
    ]
    summary = summarized(rows)
    (mode,) = summary.modes
    (phase,) = summary.phases

    assert (mode.steps, mode.failures, mode.mean_ms, mode.min_ms) == (3, 1, 5000, 4000)
    assert mode.tokens_per_second == 16
    assert (phase.tpot_ms, phase.ttft_ms, phase.acceptance) == (None, None, None)
    assert summary.failures[0].error == "the CSV does not say why"


def test_a_torn_journal_is_remembered(make_record):
    assert summarize_run(run_of([make_record()], torn=True)).torn
    assert not summarize_run(run_of([make_record()], torn=False)).torn


def test_one_placebo_request_makes_the_run_a_placebo_even_in_the_warm_up(make_record):
    warm = {"phase": Phase.WARMUP}
    assert summarized([make_record(), make_record(placebo=True)]).placebo
    assert summarized([make_record(**warm, placebo=True), make_record()]).placebo
    assert not summarized([make_record(**warm), make_record()]).placebo


def test_switches_worked_by_hand_those_before_a_warm_up_included(make_record):
    first, changed = SwitchReason.FIRST, SwitchReason.CHANGED
    restart = {"knob": "restart"}
    switches = summarized(
        [
            make_record(**restart, phase=Phase.WARMUP, switch_ms=300, switch_reason=first),
            make_record(**restart),
            make_record(**restart, phase=Phase.WARMUP, switch_ms=900, switch_reason=changed),
            failed(make_record, **restart, switch_ms=500, switch_reason=changed),
        ]
    ).switches

    assert switches is not None
    assert (switches.knob, switches.count, switches.median_ms, switches.total_ms) == ("restart", 3, 500, 1700)
    by_reason = [(part.reason, part.count, part.median_ms, part.total_ms) for part in switches.by_reason]
    assert by_reason == [(first, 1, 300, 300), (changed, 2, 700, 1400)]


def test_switch_time_is_in_no_other_number(make_record):
    plain = summarized([make_record(), make_record(latency_ms=300)])
    switched = summarized([make_record(switch_ms=5000, switch_reason="first"), make_record(latency_ms=300)])
    assert plain.switches is None
    assert switched.model_copy(update={"switches": None}) == plain


def test_requests_whose_tokens_were_counted_by_events_are_counted(make_record):
    by_events = {"tokens_from": CountSource.EVENTS}
    records = [
        make_record(**by_events),
        make_record(**by_events, phase=Phase.WARMUP),
        failed(make_record, **by_events),
        make_record(tokens_from=CountSource.TIMINGS),
        make_record(),
    ]
    assert summarized(records).counted_by_events == 1


def test_void_requests_are_counted_and_in_no_other_number(make_record):
    void = [make_record(void=True, latency_ms=9000, mode=mode, drafted=5) for mode in ("fixed_2", "fixed_9")]
    kept = [make_record(), make_record(mode="adaptive")]
    summary = summarized(void + kept, temperature=0)
    assert summary.void == 2
    assert summary.model_copy(update={"void": 0}) == summarized(kept, temperature=0)


def test_requests_answered_in_part_from_a_cache_are_counted_where_the_server_says_so(make_record):
    records = [
        *(make_record(mode="fixed_0", cached_tokens=tokens) for tokens in (0, 12, None)),
        make_record(mode="fixed_1", cached_tokens=0),
        make_record(mode="fixed_1", cached_tokens=7, phase=Phase.WARMUP),
        make_record(mode="fixed_2"),
    ]
    assert [mode.from_cache for mode in summarized(records).modes] == [1, 0, None]


def test_requests_with_words_of_their_own_are_counted_so_that_missing_texts_can_be_explained(make_record):
    summary = summarized([make_record(nonce="otter", text_sha256="a", mode="fixed_0")] * 2, temperature=0)
    assert (summary.with_nonce, summary.losslessness) == (2, None)
    assert summarized([make_record()]).with_nonce == 0


outcomes = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["fixed_0", "fixed_4", "adaptive", "auto:ema"]),
        "phase": st.sampled_from(list(Phase)),
        "draft_length": st.none() | st.integers(0, 8),
        "success": st.booleans(),
        "latency_ms": st.floats(0.001, 1e7),
        "completion_tokens": st.none() | st.integers(0, 100),
        "first_token_ns": st.none() | st.integers(0, 100_000_000),
        "drafted": st.none() | st.integers(0, 100),
        "accepted": st.none() | st.integers(0, 100),
        "rounds": st.none() | st.integers(0, 100),
        "text_sha256": st.none() | st.sampled_from(["a", "b"]),
        "tokens_from": st.none() | st.sampled_from(CountSource),
        "knob": st.none() | st.sampled_from(["restart", "reload"]),
        "switch_ms": st.none() | st.floats(0, 1e7),
        "switch_reason": st.none() | st.sampled_from(SwitchReason),
        "placebo": st.booleans(),
    }
)


@given(outcomes=st.lists(outcomes, max_size=12))
def test_every_summary_is_valid_json_without_nan_and_comes_back_equal(make_record, outcomes):
    records = [make_record(step=n, error="why", **outcome) for n, outcome in enumerate(outcomes, start=1)]
    summary = summarized(records, temperature=0)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(summary.model_dump_json(), parse_constant=refuse)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    for mode in summary.modes:
        assert mode.successes + mode.failures == mode.steps
        assert mode.steps == sum(row.requests for row in summary.phases if row.mode == mode.mode)


def test_summary_json_holds_the_summary(tmp_path, make_record):
    summary = summarized([make_record(placebo=True)])
    write_summary(summary, tmp_path / "summary.json")
    text = (tmp_path / "summary.json").read_text()
    assert Summary.model_validate_json(text) == summary
    assert json.loads(text)["placebo"] is True
