"""``halospec validate`` on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.records.store import RunFiles
from made_runs import made_manifest, made_records, write_run


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, ["validate", *map(str, arguments)])


@pytest.fixture
def old_run(tmp_path):
    """A run from before there were plans: nothing is wrong with it."""
    records = [record.model_copy(update={"trial_id": None}) for record in made_records()]
    return write_run(tmp_path / "old", records, made_manifest(records))


def test_a_sound_run_ends_well_and_each_check_has_its_line(invoke, old_run):
    result = invoke(old_run)
    assert result.exit_code == 0, result.output
    checks = [line.rsplit(maxsplit=1) for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert [name for name, _ in checks] == ["manifest", "records", "plan", "clocks", "load", "draft length", "parquet"]
    assert {state for _, state in checks} == {"ok"}


def test_a_problem_ends_with_1_and_is_told_under_its_check(invoke, old_run):
    RunFiles(old_run).records.open("ab").write(b'"\x1b[31m"\n')
    result = invoke(old_run)
    assert result.exit_code == 1
    assert "records      PROBLEM" in result.stdout
    assert "is not a record" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_report_can_be_json(invoke, old_run):
    result = invoke(old_run, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["directory"] == str(old_run)
    assert {check["name"]: check["problems"] for check in report["checks"]}["records"] == []


@pytest.mark.parametrize(("name", "said"), [("nowhere", "does not exist"), ("old/records.jsonl", "is a file")])
def test_what_is_no_run_is_refused_in_a_sentence(invoke, old_run, name, said):
    result = invoke(old_run.parent / name)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output
