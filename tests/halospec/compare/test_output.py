"""A comparison as tables and as Markdown: all of it is said, and nothing in a file can steer it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from halospec.analysis.loading import requests_of
from halospec.analysis.slo import Slo
from halospec.compare.comparison import compare_runs
from halospec.compare.gate import judge, parse_condition
from halospec.compare.markdown import comparison_markdown, escaped
from halospec.compare.metrics import ComparedMetric
from halospec.compare.runs import ComparedRun
from halospec.compare.tables import comparison_tables
from halospec.records.schema import Phase
from made_runs import made_manifest, made_records, made_server

EVERY_PHASE = {Phase.STEADY: 2, Phase.LOAD: 1, Phase.RECOVERY: 1}
EVIL = "x|y`<b onload=1>**b**</b>[l](http://e.example)@all #1 ![i](u) $a$ \x1b[31m"


def compared(*, mode="fixed_2", model="tiny", names=("main", "new"), conditions=("tpot_ms > +1%",), **course):
    runs = []
    for place, name in enumerate(names):
        records = made_records(
            modes=("fixed_0", mode),
            phases=EVERY_PHASE,
            tpot_ms=lambda cell, place=place: 10 + place + 0.01 * cell.block,
            **course,
        )
        manifest = made_manifest(records, server=made_server(model=model))
        runs.append(ComparedRun(name, Path(name), requests_of(records), manifest))
    whole = compare_runs(runs, list(ComparedMetric), slo=Slo(tpot_ms=10.5))
    return whole, judge(whole, [parse_condition(text) for text in conditions])


def printed(whole, gate=None):
    file = io.StringIO()
    console = Console(file=file, width=100, color_system=None, highlight=False)
    for part in comparison_tables(whole, gate):
        console.print(part)
    return file.getvalue()


def table_rows(markdown):
    return [line for line in markdown.splitlines() if line.startswith("|")]


def test_tables_fit_a_hundred_columns_however_long_the_names_and_large_the_numbers():
    names = ("a" * 60, "b" * 60, "c" * 60)
    whole, gate = compared(mode="a_controller_with_a_very_long_name", model="m" * 50, names=names)
    lines = printed(whole, gate).splitlines()
    assert max(map(len, lines)) <= 100
    # Nothing was wrapped within a row: each mode and phase has its line in each metric's table.
    assert sum(line.startswith("a_controlle") and "load" in line for line in lines) >= 2 * 5


def test_every_metric_is_shown_with_what_it_shows():
    text = printed(*compared())
    for metric in ComparedMetric:
        assert f"{metric.value}: new against main" in text
    assert "new against main, time per output token: worse in fixed_0, steady (+10.0 %" in text
    assert "new against main, time to first token: no detectable change in any of 6" in text
    assert "paired" in text
    assert "max-t over modes and phases" in text
    assert "at the same time" in text


def test_the_gate_says_what_failed_what_passed_and_what_cannot_be_told():
    conditions = ("fixed_0/steady/tpot_ms > +5%", "fixed_0/load/ttft_ms > +5%", "load/attainment < 0.5")
    text = " ".join(printed(*compared(conditions=conditions, blocks=3)).split())
    assert "fixed_0/steady/tpot_ms > +5%, by intervals: fails in (fixed_0, steady)." in text
    assert "fixed_0/load/ttft_ms > +5%, by intervals: passes in (fixed_0, load)." in text
    assert "load/attainment < 0.5, by intervals: cannot be told in (fixed_0, load), (fixed_2, load)." in text
    assert "Gate failed: 1 of 3 conditions." in text


def test_a_placebo_stamps_every_table_and_every_heading():
    whole, gate = compared(placebo=True)
    text, markdown = printed(whole, gate), comparison_markdown(whole, gate)
    titles = [line for line in text.splitlines() if re.search("against main +$|^Fails|^Runs|^PLACEBO: ", line)]
    assert len(titles) == len(ComparedMetric) + 2
    assert all(title.startswith("PLACEBO: ") for title in titles)
    bold = [line for line in markdown.splitlines() if re.match(r"## |\*\*(?!Gate)", line)]
    assert len(bold) == len(ComparedMetric) + 4
    assert all("PLACEBO" in line for line in bold)


def test_runs_that_are_none_bear_no_stamp():
    whole, gate = compared()
    assert "PLACEBO" not in printed(whole, gate) + comparison_markdown(whole, gate)


def test_markdown_holds_a_table_a_metric_and_the_same_sentences():
    markdown = comparison_markdown(*compared())
    assert markdown.startswith("## new against main\n\n**Gate failed: 1 of 1 conditions.**\n")
    assert "- new against main, time per output token: worse in fixed_0, steady (+10.0 %" in markdown
    assert "| fixed_0 | steady | 10.03 | 11.03 |" in markdown
    assert {line.count("|") for line in table_rows(markdown)} == {7, 8, 10}


def test_a_name_from_a_file_cannot_break_out_of_its_cell():
    whole, gate = compared(mode=EVIL, model=EVIL, names=("main", EVIL), conditions=(f"{EVIL}/tpot_ms > +1%",))
    harmless, harmless_gate = compared()
    markdown = comparison_markdown(whole, gate)
    assert [line.count("|") for line in table_rows(markdown)[:4]] == [
        line.count("|") for line in table_rows(comparison_markdown(harmless, harmless_gate))[:4]
    ]
    for bad in ("<b", "[l](", "![i]", "http://", "\x1b", "`", "@all", "$a", "#1 ", "**b"):
        assert bad not in markdown
    assert "\x1b" not in printed(whole, gate)


def test_rich_markup_in_a_name_is_shown_and_not_obeyed():
    assert "[bold]m[/]" in printed(*compared(mode="[bold]m[/]"))


@given(st.text(max_size=30))
def test_escaping_keeps_the_text_and_nothing_active(text):
    shown = escaped(text)
    assert not re.search(r"[\\`*|~$]|<(?!/?span>)|@|(?<!&)#(?=\d)|://|\]\(|\n", shown)
    assert not re.match(r"[-+=>#\[]|\d[.)]", shown)
    back = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), shown.replace("<span>", "").replace("</span>", ""))
    assert back == " ".join(text.split()) or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fixed_2", "fixed_2"),
        ("_em_", "&#95;em&#95;"),
        ("1. item", "1&#46; item"),
        ("see @octocat", "see <span>&#64;</span>octocat"),
        ("www.example.org", "www&#46;example.org"),
        ("a & b <i>", "a &#38; b &#60;i>"),
    ],
)
def test_only_what_is_active_is_escaped(text, shown):
    assert escaped(text) == shown
