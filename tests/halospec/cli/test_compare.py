"""``halospec compare`` on the command line."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.records.classic_csv import write_classic_csv
from halospec.records.parquet import write_parquet
from halospec.records.schema import Phase
from halospec.records.store import RunFiles
from made_runs import STARTED_AT, made_manifest, made_records, write_run

COURSE = {"phases": {Phase.STEADY: 2, Phase.LOAD: 1}, "blocks": 3}


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A baseline, a run 10 % slower per token, and one of another plan."""
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for place, name in enumerate(("main", "slower", "other")):
        records = made_records(
            **COURSE,
            tpot_ms=lambda cell, place=place: (11 if place == 1 else 10) * (1 + 0.001 * ((cell.block + place) % 3)),
        )
        manifest = made_manifest(
            records,
            started_at=STARTED_AT + timedelta(days=place),
            **({"pairing_sha256": "f" * 64, "prompt_set_sha256": "2" * 64} if name == "other" else {}),
        )
        made.append(write_run(folder / name, records, manifest))
        write_parquet(records, RunFiles(folder / name).parquet)
    return made


def test_it_says_what_differs_and_ends_well(invoke, runs):
    result = invoke(*runs[:2])
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "slower and main are paired" in said
    assert "slower against main, time per output token: worse in fixed_0, steady (+10.0 %" in said
    assert "one after the other" in said


def test_a_journal_or_a_table_of_records_stands_for_its_run(invoke, runs):
    by_directory = json.loads(invoke("--json", *runs[:2]).stdout)["comparison"]["comparisons"]
    files = RunFiles(runs[0]).records, RunFiles(runs[1]).parquet
    assert json.loads(invoke("--json", *files).stdout)["comparison"]["comparisons"] == by_directory


def test_runs_of_different_plans_are_not_paired_and_it_says_why(invoke, runs):
    said = " ".join(invoke(runs[0], runs[2]).stdout.split())
    assert "other and main are not paired: the plans differ in their prompts." in said
    assert "Welch" in said


@pytest.mark.parametrize(
    ("condition", "options", "code"),
    [
        ("tpot_ms > +5%", (), 1),
        ("tpot_ms > +10%", (), 0),
        ("load/tpot_ms > 10.9", (), 1),
        ("fixed_2/steady/tokens_per_s < -5%", (), 1),
        ("tpot_ms > +9.9%", ("--point",), 1),
        ("tpot_ms > +12%", ("--point",), 0),
        ("acceptance < 0.4", (), 0),
        ("attainment < 0.5", ("--slo", "tpot_ms=10.5"), 0),
        ("attainment < 0.9", ("--slo", "tpot_ms=10.5", "--point"), 1),
    ],
)
def test_the_gate_decides_the_exit_code(invoke, runs, condition, options, code):
    result = invoke(*runs[:2], "--fail-if", condition, *options)
    assert result.exit_code == code, result.output
    assert f"Fails if {condition}" in result.stdout


def test_one_failing_condition_is_enough(invoke, runs):
    result = invoke(*runs[:2], "--fail-if", "tpot_ms > +50%", "--fail-if", "tpot_ms > +5%", "--json")
    assert result.exit_code == 1
    outcomes = [{row["outcome"] for row in one["rows"]} for one in json.loads(result.stdout)["gate"]["conditions"]]
    assert outcomes == [{"passed"}, {"failed"}]


def test_another_run_can_be_the_baseline(invoke, runs):
    for reference in ("slower", runs[1]):
        comparison = json.loads(invoke(*runs, "--json", "--reference", reference).stdout)["comparison"]
        assert [run["name"] for run in comparison["runs"]] == ["slower", "main", "other"]


def test_only_the_metrics_asked_for_and_those_of_conditions_are_compared(invoke, runs):
    result = invoke(*runs[:2], "--json", "--metric", "acceptance", "--fail-if", "ttft_ms > +5%")
    assert json.loads(result.stdout)["comparison"]["metrics"] == ["ttft_ms", "acceptance"]


def test_a_higher_confidence_has_wider_intervals(invoke, runs):
    def low(*options):
        result = invoke(*runs[:2], "--json", "--metric", "tpot_ms", *options)
        return json.loads(result.stdout)["comparison"]["comparisons"][0]["rows"][0]["change"]["low_percent"]

    assert low("--confidence", 0.99) < low() < low("--confidence", 0.8)


def test_the_same_seed_gives_the_same_numbers(invoke, runs):
    once, again = (invoke(*runs, "--json", "--seed", 7).stdout for _ in range(2))
    assert once == again


def test_markdown_is_appended_to_the_summary_of_a_github_job(invoke, runs, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = invoke(*runs[:2], "--github-summary", "--markdown", "--fail-if", "tpot_ms > +5%")
    assert result.exit_code == 1
    assert summary.read_text() == "# Before\n" + result.stdout
    assert "**Gate failed: 1 of 1 conditions.**" in result.stdout


def test_a_single_block_is_compared_without_intervals(invoke, tmp_path):
    made = []
    for name in "ab":
        records = made_records(blocks=1)
        made.append(write_run(tmp_path / name, records, made_manifest(records)))
    result = invoke(*made, "--fail-if", "tpot_ms > +0%")
    assert result.exit_code == 0
    assert "Every run has only one block" in " ".join(result.stdout.split())
    assert "cannot be told" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("main",), 2, "nothing to compare with"),
        (("main", "main"), 2, "given twice"),
        (("main", "nowhere"), 1, "nowhere"),
        (("main", "empty"), 1, "no measured requests"),
        (("main", "slower", "--fail-if", "slower please"), 2, "tpot_ms > +5%"),
        (("main", "slower", "--fail-if", "fixed_9/tpot_ms > +5%"), 2, "fixed_0/load"),
        (("main", "slower", "--fail-if", "attainment < 0.9"), 2, "--slo"),
        (("main", "slower", "--point"), 2, "--fail-if"),
        (("main", "slower", "--slo", "speed=3"), 2, "speed=3"),
        (("main", "slower", "--metric", "speed"), 2, "tpot_ms"),
        (("main", "slower", "--reference", "other"), 2, "main, slower"),
        (("main", "slower", "--confidence", "95"), 2, "0.95"),
        (("main", "slower", "--json", "--markdown"), 2, "leave out one"),
        (("main", "slower", "--github-summary"), 2, "GITHUB_STEP_SUMMARY"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(invoke, runs, arguments, code, says):
    folder = runs[0].parent
    write_run(folder / "empty", [], None)
    names = {"main", "slower", "nowhere", "empty"}
    result = invoke(*(folder / name if name in names else name for name in arguments))
    assert result.exit_code == code, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_search_and_a_csv_of_the_original_are_no_runs_to_compare(invoke, runs, tmp_path):
    search = write_run(tmp_path / "search", made_records(), None)
    (search / "tune.json").write_text("{}")
    csv = tmp_path / "old.csv"
    with csv.open("w", newline="") as file:
        write_classic_csv(made_records(), file)
    for path, said in ((search, "a search of `halospec tune`"), (csv, "a CSV of the original's form")):
        result = invoke(runs[0], path)
        assert result.exit_code == 1
        assert said in result.stderr


def test_a_gate_that_could_tell_nothing_says_so(invoke, tmp_path):
    made = []
    for name in ("a", "b"):
        records = made_records(blocks=1)
        made.append(write_run(tmp_path / name, records, made_manifest(records)))
    result = invoke(*made, "--fail-if", "tpot_ms > +5%")
    assert result.exit_code == 0
    assert "Gate passed, though 2 of 2 rows cannot be told." in result.stdout
