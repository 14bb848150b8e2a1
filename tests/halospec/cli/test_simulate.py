"""``halospec simulate`` on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.recordings.files import write_recording
from halospec.simulate.synthetic import SyntheticSettings, synthetic_recording

SHORT = """
title = "Short"
tokens_per_request = 16
[[segments]]
requests = 4
load = "quiet"
[[segments]]
requests = 4
load = "most"
"""


@pytest.fixture
def short(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(SHORT, "utf-8")
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, ["simulate", "--seeds", "2", "--processes", "1", *map(str, arguments)])


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_a_recorded_pair(tmp_path, short):
    write_recording(synthetic_recording(SyntheticSettings(rounds=300)), tmp_path / "pair")
    out = tmp_path / "study.json"
    result = invoke(tmp_path / "pair", "--scenario", short, "--modes", "adaptive,auto:heuristic", "--json", out)
    assert result.exit_code == 0, result.output
    assert "auto:heuristic" in result.stdout
    written = json.loads(out.read_text("utf-8"))
    assert (written["pair"], written["seeds"]) == ("synthetic", 2)
    assert {"fixed_0", "fixed_8", "adaptive", "auto:heuristic"} <= {
        policy["spelling"] for policy in written["scenarios"][0]["policies"]
    }


def test_a_made_up_pair(tmp_path, short):
    parameters = tmp_path / "pair.toml"
    parameters.write_text('pair = "wonder"\nrounds = 300\n', "utf-8")
    result = invoke("--synthetic", parameters, "--scenario", short, "--modes", "adaptive")
    assert result.exit_code == 0, result.output
    assert "wonder" in result.stdout


def test_counts_only_reaches_the_rules(tmp_path, short):
    """In the client the heuristic takes a request round by round, or, without a log, its totals as one step."""
    found = []
    for option in ((), ("--counts-only",)):
        out = tmp_path / "study.json"
        result = invoke("--scenario", short, "--modes", "heuristic", "--json", out, *option)
        assert result.exit_code == 0, result.output
        (scenario,) = json.loads(out.read_text("utf-8"))["scenarios"]
        found.append([policy["ms_per_token"] for policy in scenario["policies"] if policy["spelling"] == "heuristic"])
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "weather"], "There is no scenario and no file 'weather'; the shipped ones are steady,"),
        (["--modes", "nothing"], "There is no mode 'nothing'"),
        (["somewhere", "--synthetic", "else.toml"], "Give a recording or --synthetic, not both."),
        (["--synthetic", "nowhere.toml"], "Cannot read nowhere.toml"),
        (["--modes", "fixed_12", "--scenario", "steady"], "k = 12 lies outside what was recorded"),
        (["--modes", "fixed_2@threads=7", "--scenario", "steady"], "The recording holds no rounds with 7/2 threads"),
        (["--max-length", "17", "--scenario", "steady"], "Fixed draft lengths go up to 16"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(arguments, said):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in one_line(result.stderr)
    assert "Traceback" not in result.output


def test_a_directory_without_a_recording(tmp_path):
    result = invoke(tmp_path)
    assert result.exit_code == 1
    assert "There is no recording in" in one_line(result.stderr)
