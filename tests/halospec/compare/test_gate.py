"""Conditions: how they are written, what they are about, and when they fail."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.loading import requests_of
from halospec.compare.comparison import compare_runs
from halospec.compare.gate import Operator, Outcome, judge, parse_condition
from halospec.compare.metrics import ComparedMetric
from halospec.compare.runs import ComparedRun
from halospec.compare.sentences import gate_sentences
from halospec.compare.values import Change, Comparison, Level, Method, Pairing, Row, RunComparison, RunFacts
from halospec.records.schema import Phase
from made_runs import made_manifest, made_records


def change(percent=5.0, low=2.0, high=8.0):
    return Change(
        percent=percent,
        low_percent=low,
        high_percent=high,
        smallest_detectable_percent=None,
        blocks=5,
        method=Method.T_ON_BLOCKS,
    )


def row(mode="fixed_2", phase=Phase.STEADY, metric=ComparedMetric.TPOT, candidate=(10.5, 10.2, 10.8), of=None):
    value, low, high = candidate
    return Row(
        metric=metric,
        mode=mode,
        phase=phase,
        baseline=Level(value=10.0, low=9.9, high=10.1, blocks=5),
        candidate=Level(value=value, low=low, high=high, blocks=5),
        change=of or change(),
    )


def comparison(*rows, candidates=("new",)):
    facts = {"path": "", "started_at": None, "halospec": None, "model": None}
    return RunComparison(
        confidence=0.95,
        seed=1,
        placebo=False,
        slo=None,
        metrics=tuple(ComparedMetric),
        runs=tuple(
            RunFacts(name=name, blocks=5, requests=10, failures=0, placebo=False, **facts)
            for name in ("main", *candidates)
        ),
        cautions=(),
        comparisons=tuple(
            Comparison(
                candidate=name,
                pairing=Pairing(is_paired=True, reason="made"),
                unmatched_cells=0,
                only_in_baseline=(),
                only_in_candidate=(),
                rows=rows,
            )
            for name in candidates
        ),
    )


def outcome(text, of=None, **options):
    ((judged,),) = [one.rows for one in judge(comparison(of or row()), [parse_condition(text)], **options).conditions]
    return judged.outcome


def test_a_condition_names_a_metric_an_operator_and_a_change():
    found = parse_condition("tpot_ms > +5%")
    assert (found.mode, found.phase, found.metric) == (None, None, ComparedMetric.TPOT)
    assert (found.operator, found.bound, found.is_change) == (Operator.ABOVE, 5, True)


@pytest.mark.parametrize(
    ("text", "mode", "phase", "operator", "bound", "is_change"),
    [
        ("load/tpot_ms>=-2.5%", None, Phase.LOAD, ">=", -2.5, True),
        ("adaptive/tpot_ms < 12", "adaptive", None, "<", 12, False),
        (" fixed_2/steady/tpot_ms <= 5% ", "fixed_2", Phase.STEADY, "<=", 5, True),
        ("auto:a/b/recovery/tpot_ms > .5", "auto:a/b", Phase.RECOVERY, ">", 0.5, False),
    ],
)
def test_a_mode_and_a_phase_may_stand_before_it(text, mode, phase, operator, bound, is_change):
    found = parse_condition(text)
    assert (found.mode, found.phase) == (mode, phase)
    assert (found.operator, found.bound, found.is_change) == (operator, bound, is_change)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tpot_ms",
        "tpot_ms > fast",
        "tpot_ms == 5%",
        "> 5%",
        "tpot_ms > 5 %%",
        "/tpot_ms > 5%",
        "a//load/tpot_ms > 5%x",
    ],
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"tpot_ms > \+5%"):
        parse_condition(text)


@given(st.text(max_size=40))
def test_whatever_stands_after_a_condition_is_refused_in_printable_words(text):
    with pytest.raises(ValueError) as refusal:
        parse_condition(f"tpot_ms > +5%!{text}")
    assert str(refusal.value).isprintable()


def test_an_unknown_metric_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match="there are tpot_ms, ttft_ms"):
        parse_condition("speed > +5%")


def test_a_sign_without_percent_is_too_easily_a_slip():
    with pytest.raises(ValueError, match=r"'\+5%' for a change.* or '5' for the candidate's own value"):
        parse_condition("tpot_ms > +5")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The interval of the change is [2, 8].
        ("tpot_ms > +1.9%", Outcome.FAILED),
        ("tpot_ms > +2%", Outcome.CANNOT_TELL),
        ("tpot_ms >= +2%", Outcome.FAILED),
        ("tpot_ms > +5%", Outcome.CANNOT_TELL),
        ("tpot_ms >= +8%", Outcome.CANNOT_TELL),
        ("tpot_ms > +8%", Outcome.PASSED),
        ("tpot_ms >= +8.1%", Outcome.PASSED),
        ("tpot_ms < +8.1%", Outcome.FAILED),
        ("tpot_ms < +8%", Outcome.CANNOT_TELL),
        ("tpot_ms <= +8%", Outcome.FAILED),
        ("tpot_ms <= +2%", Outcome.CANNOT_TELL),
        ("tpot_ms < +2%", Outcome.PASSED),
        # The candidate's own value lies in [10.2, 10.8].
        ("tpot_ms > 10.1", Outcome.FAILED),
        ("tpot_ms > 10.5", Outcome.CANNOT_TELL),
        ("tpot_ms > 10.8", Outcome.PASSED),
    ],
)
def test_it_fails_where_the_whole_interval_is_beyond_the_bound(text, expected):
    assert outcome(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tpot_ms > +4.9%", Outcome.FAILED),
        ("tpot_ms > +5%", Outcome.PASSED),
        ("tpot_ms >= +5%", Outcome.FAILED),
        ("tpot_ms > 10.4", Outcome.FAILED),
        ("tpot_ms > 10.5", Outcome.PASSED),
    ],
)
def test_on_estimates_their_intervals_do_not_matter(text, expected):
    assert outcome(text, on_estimates=True) is expected


def test_the_last_bits_of_a_logarithm_exceed_no_bound():
    exact = 100 * math.expm1(math.log(10.5 / 10.0))
    assert exact != 5
    assert outcome("tpot_ms > +5%", row(of=change(exact, exact, exact))) is Outcome.PASSED


def test_without_an_interval_it_cannot_be_told_except_on_the_estimate():
    single = row(of=change(50.0, None, None), candidate=(15.0, None, None))
    assert outcome("tpot_ms > +5%", single) is Outcome.CANNOT_TELL
    assert outcome("tpot_ms > 12", single) is Outcome.CANNOT_TELL
    assert outcome("tpot_ms > +5%", single, on_estimates=True) is Outcome.FAILED


def test_an_interval_without_an_upper_end_fails_only_from_below():
    endless = row(of=change(50.0, 10.0, None))
    assert outcome("tpot_ms > +5%", endless) is Outcome.FAILED
    assert outcome("tpot_ms > +20%", endless) is Outcome.CANNOT_TELL
    assert outcome("tpot_ms < +900%", endless) is Outcome.CANNOT_TELL


def test_what_cannot_be_told_lets_the_gate_pass():
    whole = comparison(row(), row(mode="fixed_4", of=change(20, 15, 25)))
    straddling, failing = (judge(whole, [parse_condition(text)]) for text in ("fixed_2/tpot_ms > +5%", "tpot_ms > +5%"))
    assert not straddling.is_failed
    assert failing.is_failed
    assert [one.outcome for one in failing.conditions[0].rows] == [Outcome.CANNOT_TELL, Outcome.FAILED]


def test_a_condition_holds_for_every_mode_and_phase_that_it_does_not_name():
    whole = comparison(row(), row(phase=Phase.LOAD), row(mode="fixed_4", phase=Phase.LOAD))

    def rows(text):
        return [(one.mode, one.phase.value) for one in judge(whole, [parse_condition(text)]).conditions[0].rows]

    assert len(rows("tpot_ms > +5%")) == 3
    assert rows("load/tpot_ms > +5%") == [("fixed_2", "load"), ("fixed_4", "load")]
    assert rows("fixed_2/tpot_ms > +5%") == [("fixed_2", "steady"), ("fixed_2", "load")]
    assert rows("fixed_2/load/tpot_ms > +5%") == [("fixed_2", "load")]


@pytest.mark.parametrize("text", ["fixed_9/tpot_ms > +5%", "recovery/tpot_ms > +5%", "acceptance < 0.5"])
def test_what_the_runs_do_not_have_cannot_be_a_condition(text):
    with pytest.raises(ValueError, match="about nothing that main and new both have"):
        judge(comparison(row()), [parse_condition(text)])


def test_every_candidate_is_judged():
    report = judge(comparison(row(), candidates=("b", "c")), [parse_condition("tpot_ms > +1%")])
    assert [one.candidate for one in report.conditions[0].rows] == ["b", "c"]


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_the_interval_that_decides_is_the_one_that_the_comparison_shows(factor):
    runs = []
    for name, slower in (("a", 1.0), ("b", factor)):
        records = made_records(tpot_ms=lambda cell, slower=slower: slower * (10 + cell.block % 3 + 0.1 * cell.step))
        runs.append(ComparedRun(name, Path(name), requests_of(records), made_manifest(records)))
    whole = compare_runs(runs, [ComparedMetric.TPOT])
    (judged,) = judge(whole, [parse_condition("fixed_2/tpot_ms > +2%")]).conditions
    shown = whole.comparisons[0].rows[1].change
    assert (judged.rows[0].low, judged.rows[0].high) == (shown.low_percent, shown.high_percent)


def test_a_mode_in_which_every_request_failed_fails_the_gate_whatever_the_condition():
    before = made_records(modes=("fixed_0", "fixed_2"), blocks=3)
    broken = {"success": False, "error": "HTTP 500", "first_token_ns": None}
    after = [r.model_copy(update=broken) if r.mode == "fixed_2" else r for r in before]
    runs = [
        ComparedRun(name=name, path=Path(name), requests=requests_of(records), manifest=None, torn=False)
        for name, records in (("main", before), ("new", after))
    ]
    compared = compare_runs(runs, [ComparedMetric.TPOT])
    report = judge(compared, [parse_condition("tpot_ms > +500%")])
    assert {place.partition(" in ")[0] for place in report.silent} == {"new: fixed_2"}
    assert report.is_failed
    assert "every request failed in new: fixed_2" in list(gate_sentences(report))[-1]
