"""``halospec doctor`` on the command line, and its screen."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from halospec.cli import app
from halospec.doctor import Finding, State
from halospec.doctor.examination import CHECKS
from halospec.doctor.table import findings_table, verdict

GOOD = Finding(name="clock", state=State.GOOD, found="tsc")
WARNED = Finding(
    name="turbo",
    state=State.WARNING,
    found="on: the clock follows heat and how many cores are busy",
    remedy="echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo",
)
BROKEN = Finding(name="memory", state=State.BAD, found="4.0 MiB went to and from swap [bold]", remedy="free memory")
UNSEEN = [Finding(name=name, state=State.UNKNOWN, found="only Linux shows this") for name in ("governor", "pressure")]
ALONE = Finding(name="GPU", state=State.UNKNOWN, found="no GPU driver is seen")


def screen(findings, width):
    stream = io.StringIO()
    Console(file=stream, width=width).print(findings_table(findings))
    return stream.getvalue()


@pytest.fixture
def doctor(monkeypatch):
    def run(findings, *arguments):
        monkeypatch.setattr("halospec.cli.doctor.examine", lambda **_: tuple(findings))
        return CliRunner().invoke(app, ["doctor", *arguments])

    return run


@pytest.mark.parametrize("width", [80, 120])
def test_every_finding_is_on_the_screen_with_its_remedy_and_no_line_is_longer_than_it(width):
    shown = screen([GOOD, WARNED, BROKEN, *UNSEEN, ALONE], width)
    assert max(map(len, shown.splitlines())) <= width
    words = " ".join(shown.split())
    for one in (GOOD, WARNED, BROKEN, ALONE):
        assert one.found in words
    assert "-> free memory" in words
    assert words.replace(" ", "").count(WARNED.remedy.replace(" ", "")) == 1


def test_the_gravest_comes_first_and_texts_hold_no_markup():
    lines = screen([GOOD, WARNED, BROKEN, ALONE], 120).splitlines()
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in set(State)] == [
        *("bad", "warning", "good", "unknown")
    ]
    assert "[bold]" in lines[0]


def test_what_cannot_be_seen_for_one_reason_shares_a_row():
    shown = screen([*UNSEEN, ALONE], 120)
    assert "governor, pressure: only Linux shows this" in shown
    assert shown.count("unknown ") == 2


def test_a_whole_screen_has_few_more_lines_than_checks_even_where_all_is_noted(doctor):
    findings = [Finding(name=check.name, state=State.NOTE, found="x" * 50) for check in CHECKS]
    assert len(screen(findings, 80).splitlines()) == len(CHECKS) + 2


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([GOOD], "Fit to measure, as far as can be seen: 1 good."),
        ([GOOD, WARNED, WARNED, ALONE], "Fit to measure, with more noise than need be: 2 warnings, 1 good, 1 unknown."),
        ([BROKEN, WARNED], "Not fit to measure: 1 bad, 1 warning."),
    ],
)
def test_the_last_line_says_what_it_comes_to(findings, said):
    assert verdict(findings) == said


@pytest.mark.parametrize(
    ("findings", "arguments", "code"),
    [
        ([GOOD, WARNED, BROKEN], [], 0),
        ([GOOD, ALONE], ["--strict"], 0),
        ([GOOD, WARNED], ["--strict"], 1),
        ([BROKEN], ["--strict", "--json"], 1),
    ],
)
def test_only_strict_makes_an_exit_code_of_it(doctor, findings, arguments, code):
    assert doctor(findings, *arguments).exit_code == code


def test_the_findings_can_be_json(doctor):
    result = doctor([WARNED, ALONE], "--json")
    assert [Finding.model_validate(one) for one in json.loads(result.stdout)] == [WARNED, ALONE]


def test_this_machine_can_be_examined():
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "o measure" in result.stdout
    assert "Traceback" not in result.output
