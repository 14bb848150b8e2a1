import re

import pytest
from rich.table import Table

from halospec.analysis.loading import run_of
from halospec.analysis.summary import Judging, ProbeFinding, summarize
from halospec.analysis.tables import TRIALS_SHOWN, WIDTH, several_runs_note, summary_tables, summary_text
from halospec.analysis.verdicts import ONE_BLOCK
from halospec.records.classic_csv import ClassicRun
from halospec.records.manifest import Status
from halospec.records.placebo import MEANING
from halospec.records.probe import Verdict as ProbeVerdict
from halospec.records.schema import MEASURED_PHASES, CountSource, Phase
from halospec.records.switches import SwitchReason
from made_runs import made_manifest, made_records
from summarized import summarized


@pytest.fixture
def records(make_record):
    """Ten slow modes in three phases: the widest table that the default run makes."""
    return [
        make_record(
            mode=mode,
            phase=phase,
            step=step,
            draft_length=4 if mode == "adaptive" else int(mode[-1]),
            latency_ms=123_456.7,
            ttft_ms=12_345.6,
            first_token_ns=0,
            ended_ns=9 * 10**11,
            completion_tokens=11,
            drafted=40,
            accepted=39,
            rounds=10,
            load_percent=87.5,
            text_sha256="a",
        )
        for mode in [*(f"fixed_{k}" for k in range(9)), "adaptive"]
        for step, phase in enumerate(MEASURED_PHASES, start=1)
    ]


def said(text: str) -> str:
    return " ".join(text.split())


def test_nothing_is_cut_off_at_a_hundred_columns(records):
    text = summary_text(summarized(records))
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_plain_text_holds_no_terminal_codes(records):
    assert "\x1b" not in summary_text(summarized(records), title="a run")


def test_the_original_table_has_a_row_a_mode(make_record):
    text = summary_text(summarized([make_record(latency_ms=100), make_record(latency_ms=300)]))
    row = next(line for line in text.splitlines() if line.startswith("fixed_2"))
    # mode, steps, ok %, fail, mean, median, p95, min, max, sd, tokens/s, score
    assert row.split() == [
        "fixed_2",
        "2",
        "100",
        "0",
        "200.0",
        "200.0",
        "300.0",
        "100.0",
        "300.0",
        "100.0",
        "160.0",
        "370.0",
    ]


def test_what_does_not_exist_is_a_dash(make_record):
    text = summary_text(summarized([make_record(success=False, error="HTTP 500")]))
    row = next(line for line in text.splitlines() if line.startswith("fixed_2"))
    assert row.split() == ["fixed_2", "1", "0", "1", *"--------"]


def test_the_lowest_score_is_not_called_a_winner(records):
    text = said(summary_text(summarized(records)))
    assert "Lowest score: fixed_0" in text
    assert "A lowest score is not by itself evidence of a difference." in text


def test_scores_over_different_phases_are_not_to_be_compared(make_record):
    records = [make_record(mode="fixed_1"), make_record(mode="adaptive", phase=Phase.LOAD)]
    assert "their scores cannot be compared" in said(summary_text(summarized(records)))


def test_one_mode_alone_has_no_lowest_score(make_record):
    assert "Lowest score" not in summary_text(summarized([make_record()]))


def test_adaptive_behaviour_is_shown_a_trial_a_row(make_record):
    lengths = [4, 5, 6, 6, 6, 6, 6]
    records = [make_record(mode="adaptive", step=n, draft_length=k) for n, k in enumerate(lengths, start=1)]
    text = summary_text(summarized(records))
    part = text[text.index("Adaptive behaviour") :].splitlines()
    row = next(line for line in part if line.startswith("adaptive"))
    # mode, block, steps, changes, convergence step, lowest, highest, last k
    assert row.split() == ["adaptive", "1", "7", "2", "7", "4", "6", "6"]


def test_the_verdict_on_the_knob_is_spoken_plainly(make_record):
    obeyed = [make_record(draft_length=0, drafted=0, rounds=31), make_record(draft_length=8, drafted=40, rounds=5)]
    ignored = [make_record(draft_length=k, drafted=24, rounds=8) for k in (0, 8)]
    assert "The server obeyed the draft length" in said(summary_text(summarized(obeyed)))
    assert "Differences between modes are then not effects of k." in said(summary_text(summarized(ignored)))
    assert "cannot be told from this run" in said(summary_text(summarized([make_record()])))


def test_agreement_of_texts_is_a_sentence_at_temperature_0_only(make_record):
    records = [make_record(mode="fixed_0", text_sha256="a"), make_record(mode="fixed_4", text_sha256="b")]
    assert "fixed_0 1/1, fixed_4 0/1" in said(summary_text(summarized(records, temperature=0)))
    assert "Texts equal" not in summary_text(summarized(records, temperature=1))


def test_trials_of_adaptive_modes_are_a_detail_where_there_are_many(make_record):
    def shown(trials, **options):
        records = [make_record(mode="adaptive", block=block) for block in range(1, trials + 1)]
        return [part for part in summary_tables(summarized(records), **options) if isinstance(part, Table)]

    def titles(tables):
        return [str(table.title) for table in tables]

    assert "Adaptive behaviour" in titles(shown(TRIALS_SHOWN))
    assert "Adaptive behaviour" not in titles(shown(TRIALS_SHOWN + 1))
    assert "Adaptive behaviour" in titles(shown(TRIALS_SHOWN + 1, details=True))


def test_what_a_run_shows_stands_at_the_end_where_it_stays_in_sight():
    lines = summary_text(summarized(made_records(blocks=1))).splitlines()
    assert lines[-2:] == ["What this run shows", ONE_BLOCK]


def test_a_run_that_did_not_end_as_planned_says_so():
    records = made_records()
    for status, words in (("interrupted", "was interrupted"), ("failed", "had to stop"), ("running", "has not ended")):
        run = run_of(records, manifest=made_manifest(records, status=Status(status)))
        assert words in said(summary_text(summarize(run)))
    complete = run_of(records, manifest=made_manifest(records))
    assert "measured until then" not in summary_text(summarize(complete))


@pytest.mark.parametrize(("void", "words"), [(1, "1 void record, of a trial"), (2, "2 void records, of trials")])
def test_void_records_are_counted(make_record, void, words):
    records = [make_record(), *(make_record(void=True) for _ in range(void))]
    assert words in said(summary_text(summarized(records)))


def test_a_design_that_supports_no_comparison_gives_numbers_for_none():
    records = made_records()
    run = run_of(records, manifest=made_manifest(records, design="classic"))
    summary = summarize(run, Judging(slo=("e2e_ms=500",)))
    assert (summary.comparisons, summary.regret) == (None, None)
    assert {row.against_reference for row in summary.slo.phases} == {None}


def test_a_torn_journal_is_mentioned(make_record):
    assert "cut short" in summary_text(summarized([make_record()], torn=True))
    assert "cut short" not in summary_text(summarized([make_record()]))


def test_an_empty_run_says_so():
    assert summary_text(summarized([])) == "No measured requests.\n"


def test_what_a_server_wrote_is_neither_markup_nor_a_terminal_command(make_record):
    error = "HTTP 500: [red]boom[/red] [/] \x1b[31m\nsecond line"
    failed = make_record(mode="[bold]m", success=False, error=error)
    text = summary_text(summarized([failed]), title="[blink]model[/]")

    assert "HTTP 500: [red]boom[/red] [/] \N{REPLACEMENT CHARACTER}[31m second line" in text
    assert "[bold]m" in text
    assert "[blink]model[/]" in text
    assert "\x1b" not in text


def test_many_reasons_are_cut_to_the_commonest_with_their_number(make_record):
    records = [make_record(success=False, error=f"reason {n}") for n in range(15)]
    assert "5 more reasons stand in summary.json." in summary_text(summarized(records))


def test_a_csv_of_several_runs_is_said_to_be_one():
    runs = [ClassicRun(line, ()) for line in (2, 97, 132)]
    note = several_runs_note(runs)
    assert note is not None
    assert "holds 3 runs: global_step starts again in lines 97, 132." in note
    assert several_runs_note(runs[:1]) is None


@pytest.fixture
def every_table(records, make_record):
    """Records of which every table is made that there is."""
    return [*records, make_record(success=False, error="HTTP 500")]


def test_every_table_of_a_placebo_run_bears_the_stamp_and_a_sentence_says_what_it_means(every_table):
    placebo = [*every_table[:-1], every_table[-1].model_copy(update={"placebo": True})]
    summary = summarized(placebo, temperature=0)
    tables = [part for part in summary_tables(summary, details=True) if isinstance(part, Table)]

    titles = [str(table.title) for table in tables]
    assert all(title.startswith("PLACEBO: ") for title in titles)
    assert {
        "PLACEBO: Per mode, all phases",
        "PLACEBO: Per mode and phase",
        "PLACEBO: Adaptive behaviour",
        "PLACEBO: Failures",
        "PLACEBO: Per token, against fixed_0",
    } <= set(titles)
    text = summary_text(summary, title="a run")
    assert text.startswith(f"PLACEBO. {MEANING}\n")
    shown = [part for part in summary_tables(summary) if isinstance(part, Table)]
    assert all(str(table.title) in text for table in shown)
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_a_placebo_run_that_was_never_measured_bears_it_too(make_record):
    warm = make_record(phase=Phase.WARMUP, placebo=True)
    assert summary_text(summarized([warm])) == f"PLACEBO. {MEANING}\nNo measured requests.\n"


def test_without_a_placebo_no_table_speaks_of_one(every_table):
    assert not re.search("placebo", summary_text(summarized(every_table, temperature=0), title="a run"), re.IGNORECASE)


def switched(make_record, *reasons, knob="restart", ms=900.0):
    return [make_record(knob=knob, switch_ms=ms, switch_reason=reason) for reason in reasons]


def test_starting_the_server_anew_is_one_sentence(make_record):
    records = [*switched(make_record, *[SwitchReason.CHANGED] * 12), make_record(knob="restart")]
    assert (
        "The server was started anew 12 times for another draft length, median 0.9 s, 10.8 s in all; "
        "that time is in no latency." in said(summary_text(summarized(records)))
    )


def test_several_reasons_to_load_it_anew_are_counted_apart(make_record):
    first, changed, died = SwitchReason
    records = switched(make_record, first, changed, changed, died, knob="reload", ms=2500.0)
    assert (
        "The server was loaded anew 4 times (1 to begin with, 2 for another draft length, 1 because it was gone), "
        "median 2.5 s, 10.0 s in all;" in said(summary_text(summarized(records)))
    )


def test_one_quick_switch_by_an_unknown_knob_is_spoken_of_as_such(make_record):
    text = said(summary_text(summarized([make_record(switch_ms=1.4)])))
    assert "The server was loaded or started anew once, median 1 ms, 1 ms in all;" in text


def test_a_server_that_ran_all_the_time_is_not_said_to_have_been_started(records):
    assert "anew" not in summary_text(summarized(records))


def test_counting_events_for_want_of_tokens_is_said(make_record):
    by_events = make_record(tokens_from=CountSource.EVENTS)
    counted = make_record(tokens_from=CountSource.USAGE)
    sentence = "The server counts no tokens: content events were counted"
    assert f"{sentence} (all successful requests)." in said(summary_text(summarized([by_events, by_events])))
    assert f"{sentence} (1 of 2 successful requests)." in said(summary_text(summarized([by_events, counted])))
    assert "events" not in summary_text(summarized([counted, make_record()]))


@pytest.mark.parametrize("verdict", ProbeVerdict)
def test_what_the_probe_could_not_tell_stands_above_the_tables(make_record, verdict):
    found = ProbeFinding(knob="draft_length", verdict=verdict, reason="times \x1b[31mscatter")
    text = " ".join(summary_text(summarized([make_record()]).model_copy(update={"probe": found})).split())
    told = "the probe could not tell whether k has an effect (knob draft_length: times" in text
    assert told == (verdict is ProbeVerdict.CANNOT_TELL)
    assert "\x1b" not in text
