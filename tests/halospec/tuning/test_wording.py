"""The answer in words, and the table beside it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from halospec.analysis.slo import Slo
from halospec.inference.proportions import wilson
from halospec.inference.types import Method
from halospec.tuning.advice import Advice
from halospec.tuning.evidence import Basis
from halospec.tuning.result import Difference, LengthResult, RoundResult, TuneResult
from halospec.tuning.tables import advice_lines, tuning_tables
from halospec.tuning.verdict import Finding, Verdict
from halospec.tuning.wording import listed, sentences, shown_objectives


def length(k, percent=None, low=None, high=None, **more):
    difference = None if percent is None else Difference(percent=percent, low=low, high=high, smallest_detectable=6.0)
    fields = {
        "against_plain": difference, "requests": 40, "failures": 0, "tpot_ms": 10.0, "ttft_ms": 100.0 + 10 * k,
        "latency_ms": 700.0, "acceptance": 0.9, "latency_against_plain": difference, "attainment": None,
        "dropped_in": None,
    }  # fmt: skip
    return LengthResult(draft_length=k, **fields | more)


def result(finding, recommended, fastest, *lengths, slo=None, basis=Basis.TPOT, is_fresh=True, units=20):
    return TuneResult(
        basis=basis,
        requests=198,
        lengths=(length(0), *lengths),
        rounds=(RoundResult(number=1, first_block=1, last_block=1, lengths=(0, 2, 4), prompts=20, dropped=()),),
        units=units,
        is_fresh=is_fresh,
        method=Method.BOOTSTRAP,
        slo=slo,
        wanted_attainment=None if slo is None else 0.95,
        verdict=Verdict(finding=finding, recommended=recommended, fastest=fastest, may_be_best=()),
    )


def printed(found, width=100):
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    for part in tuning_tables(found, title="[red]m[/red]"):
        console.print(part)
    return file.getvalue()


def test_a_winner_is_named_with_its_interval():
    (said,) = sentences(result(Finding.FASTER, 4, 4, length(2, -10, -15, -5), length(4, -18, -22, -14)))
    assert said == "Use k = 4: it is 18.0 % faster per token [14.0, 22.0] than k = 0."


def test_a_smaller_k_than_the_fastest_is_explained():
    _, why = sentences(result(Finding.FASTER, 2, 4, length(2, -17, -22, -12), length(4, -18, -22, -14)))
    assert "fastest measured is k = 4 (18.0 % faster per token [14.0, 22.0] than k = 0)" in why
    assert "cannot be told apart" in why


def test_what_is_gained_per_token_and_not_per_reply_is_said():
    whole = Difference(percent=-1.0, low=-5.0, high=3.0)
    _, warning = sentences(result(Finding.FASTER, 4, 4, length(4, -18, -22, -14, latency_against_plain=whole)))
    assert "not shown to be faster" in warning
    assert "-1.0 [-5.0, +3.0] %" in warning
    assert "first token comes 40 ms later" in warning
    assert "--by latency" in warning


def test_k_0_is_said_to_be_best_with_what_the_others_cost():
    (said,) = sentences(result(Finding.PLAIN_IS_BEST, 0, 0, length(1, 12, 5, 19), length(2, 30, 22, 39)))
    assert said.startswith("Use k = 0: speculation does not pay here.")
    assert "k = 1 is 12.0 % slower per token [5.0, 19.0] and k = 2 is 30.0 % slower" in said


def test_where_nothing_can_be_told_the_smallest_detectable_difference_is():
    (said,) = sentences(result(Finding.CANNOT_TELL, 0, 2, length(2, -3, -8, 2)))
    assert "no draft length can be told from it" in said
    assert "k = 2, differs in its time per token by -3.0 [-8.0, +2.0] %" in said
    assert "one that takes 6 % less time would have been found" in said


def test_a_difference_that_would_have_been_found_is_said_as_time_saved():
    """A time that may rise by 400 % can fall by 80 % at most for the same distance: 1 - 1 / 5."""
    wide = Difference(percent=-40.0, low=-90.0, high=200.0, smallest_detectable=400.0)
    (said,) = sentences(result(Finding.CANNOT_TELL, 0, 2, length(2, against_plain=wide)))
    assert "one that takes 80 % less time" in said


@pytest.mark.parametrize(("met", "doubt"), [(20, "; that 95 % do is not shown"), (200, "")])
def test_how_often_objectives_are_met_is_said_where_they_did_not_decide(met, doubt):
    lengths = (length(2, -10, -15, -5, attainment=wilson(met, met)),)
    _, said = sentences(result(Finding.FASTER, 2, 2, *lengths, slo=Slo(ttft_ms=400.0)))
    assert said.startswith("At k = 2, 100.0 % [")
    assert said.endswith(f"of {met} requests meet the objectives{doubt}.")


def test_short_objectives_keep_their_decimals():
    assert shown_objectives(Slo(ttft_ms=400.0, tpot_ms=0.42)) == "ttft_ms <= 400, tpot_ms <= 0.42"


@pytest.mark.parametrize("finding", [Finding.PLAIN_MISSES_SLO, Finding.SLO_MISSED])
def test_objectives_are_answered_with_attainment(finding):
    lengths = (length(2, -10, -15, -5, attainment=wilson(12, 20)),)
    found = result(finding, 2, 2, *lengths, slo=Slo(ttft_ms=400.0))
    said = sentences(found)[0]
    assert "60.0 % [38.7, 78.1] of 20 requests" in said
    assert "95 %" in said
    assert "ttft_ms <= 400" in printed(found)


def test_what_weakens_the_answer_is_said():
    said = sentences(result(Finding.CANNOT_TELL, 0, 2, length(2, -3, None, None), is_fresh=False, units=1))
    assert any("flatters the winner" in sentence for sentence in said)
    assert any("too small for intervals" in sentence for sentence in said)


def test_the_table_says_who_was_dropped_when_and_gives_those_no_interval():
    found = result(Finding.FASTER, 4, 4, length(2, -10, dropped_in=1), length(4, -18, -22, -14))
    rows = [line.split() for line in printed(found).splitlines()]
    assert ["2", "40", "0", "10.00", "120.0", "700.0", "90.0", "-10.0", "1"] in rows
    assert ["4", "40", "0", "10.00", "140.0", "700.0", "90.0", "-18.0", "[-22.0,", "-14.0]"] in rows


def test_the_name_of_a_model_is_no_markup():
    assert "[red]m[/red]" in printed(result(Finding.FASTER, 4, 4, length(4, -18, -22, -14)))


def test_a_line_to_copy_is_one_line_and_steers_no_terminal():
    advice = Advice(title="x\x1b[2J", lines=("halospec serve " + "--long " * 40 + "\x07",), note="Mind the gap.")
    title, line, note = advice_lines([advice])
    assert title.startswith("x")
    assert "\x1b" not in title
    assert ("--long " * 40).strip() in line
    assert "\x07" not in line
    assert "Mind the gap." in note


@pytest.mark.parametrize(
    ("lengths", "words"), [((3,), "3"), ((0, 3), "0 and 3"), ((0, 1, 2), "0 to 2"), ((0, 2, 4), "0, 2 and 4")]
)
def test_draft_lengths_are_listed_as_one_would_say_them(lengths, words):
    assert listed(lengths) == words
