"""``halospec summarize`` of the original's CSV, as the original wrote it: every option does what it does of a run."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halospec.analysis.summary import Summary
from halospec.cli import app
from halospec.records.classic_csv import HEADER
from made_runs import made_manifest, made_records, write_run


def original_run(slower: int = 0) -> list[str]:
    """95 rows: eight fixed modes in turn, then the adaptive one under load; a failure took "0 ms"."""
    rows = []
    for k in range(1, 9):
        for step in range(1, 11):
            failed = (k, step) == (3, 7)
            latency_ms = 0 if failed else 4000 + 100 * ((k * step) % 7) + slower
            success, tokens = ("false", 0) if failed else ("true", 64)
            rows.append(f"{len(rows) + 1},{step},fixed_{k},steady,{k},{success},{latency_ms},{tokens}")
    for step in range(1, 16):
        phase = "steady" if step < 6 else "load" if step < 11 else "recovery"
        rows.append(f"{len(rows) + 1},{step},adaptive,{phase},4,true,{9000 if phase == 'load' else 4300},64")
    return rows


@pytest.fixture
def original(tmp_path):
    return write(tmp_path / "canonical.csv", original_run())


@pytest.fixture
def pooled(tmp_path):
    """Runs one after the other in one file, as in the original's own results."""
    rows = original_run()
    return write(tmp_path / "pooled.csv", [*rows, *rows[:35], *rows[:8], *original_run(slower=1000)])


def write(path, rows):
    path.write_text("\n".join([",".join(HEADER), *rows]) + "\n")
    return path


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, ["summarize", *map(str, arguments)])


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_last_that_is_said_is_what_the_design_supports(invoke, original):
    result = invoke(original)
    assert result.exit_code == 0
    table, said = flat(result.stdout).split("What this run shows")
    assert "fixed_3 10 90 1" in table
    assert said.strip().startswith("This design supports no verdict on which mode is best.")
    for caveat in ("one after another, once each", "not paired", "Load reached adaptive alone", "0 ms: the time"):
        assert caveat in said


def test_runs_in_one_file_are_apart_from_each_other(invoke, pooled):
    shown = invoke(pooled).stdout
    assert "This file holds 4 runs" in flat(shown)
    assert all(f"\n\npooled.csv, run {number} of 4\n" in shown for number in (1, 2, 3, 4))


def test_json_is_a_summary_or_a_list_of_them(invoke, original, pooled):
    summary = Summary.model_validate_json(invoke(original, "--json").stdout)
    assert (summary.requests, summary.design.failures_without_time, summary.comparisons) == (95, True, None)
    assert [one["requests"] for one in json.loads(invoke(pooled, "--json").stdout)] == [95, 35, 8, 95]


def test_service_levels_are_judged_without_comparing_modes(invoke, original):
    shown = flat(invoke(original, "--slo", "e2e_ms=4300").stdout)
    assert "Objectives kept: E2E latency <= 4300 ms" in shown
    assert "(Holm)" not in shown
    assert "needs" not in shown


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--slo", "auto"), "has none that succeeded"),
        (("--slo", "speed=3"), "names no objective"),
        (("--reference", "fixed_0"), "no successful request of mode 'fixed_0'"),
    ],
)
def test_what_a_csv_cannot_be_judged_by_is_one_sentence(invoke, original, options, complaint):
    result = invoke(original, *options)
    assert result.exit_code == 2
    assert complaint in flat(result.stderr)


def test_details_show_percentiles(invoke, original):
    assert "Percentiles of E2E latency" in invoke(original, "--details").stdout
    assert "Percentiles" not in invoke(original).stdout


def test_an_interrupted_run_says_that_it_was(invoke, tmp_path):
    records = made_records()
    run = write_run(tmp_path / "run", records, made_manifest(records, status="interrupted"))
    assert "The run was interrupted" in flat(invoke(run).stdout)
