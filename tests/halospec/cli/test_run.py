"""``halospec run``: what is wrong with a request for a run, said in one sentence before a server is asked."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import blocked_plan
from halospec.experiment.plan_file import write_plan
from halospec.workloads.prompts import Prompt


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.delenv("HALOSPEC_LOAD", raising=False)
    nowhere = ("--url", "http://127.0.0.1:1", "--out", tmp_path / "run")
    return lambda *arguments: CliRunner().invoke(app, ["run", *map(str, (*nowhere, *arguments))])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loads": ["gpu:50%"]}, "is not a plan that can be run: loads: There is no load 'gpu'"),
        ({"loads": []}, "it has load phases, but does not say what load"),
        ({"halospec_plan": 99}, "is a plan of version 99"),
    ],
)
def test_a_plan_file_that_cannot_be_used_is_one_sentence(invoke, tmp_path, changes, said):
    path = tmp_path / "plan.json"
    write_plan(
        blocked_plan(("fixed_2",), parse_phases("steady:1"), (Prompt("a", "A?"),), blocks=1, warmup=0, seed=1), path
    )
    content = json.loads(path.read_text()) | changes
    content["trials"][0]["phases"] |= {
        "load": {"start_step": 1, "stop_step": None, "start_s": None, "duration_s": None}
    }
    path.write_text(json.dumps(content))
    result = invoke("--plan", path)
    assert result.exit_code == 1, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_plan_file_that_is_not_there_is_one_sentence(invoke, tmp_path):
    result = invoke("--plan", tmp_path / "nowhere.json")
    assert result.exit_code == 1
    assert "nowhere.json does not exist" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("process:no-such-program-anywhere --hard", "There is no program no-such-program-anywhere"),
        ("cpu:50%@workers=100000", "load workers are too many"),
        ("gpu:50%", "There is no load 'gpu'"),
    ],
)
def test_a_load_that_cannot_be_had_is_one_sentence(invoke, load, said):
    result = invoke("--modes", "fixed_2", "--phases", "load:1", "--inject", load)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
