"""Rules in the client, rules inside the bundled server and threads of a mode's own, in one run over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import halospec
from halospec.records.store import RunFiles, read_records

pytestmark = pytest.mark.e2e

MODES = ("fixed_0", "fixed_2", "fixed_2@threads=1", "heuristic", "cost_model", "auto:heuristic", "auto:cost_model")
LEFT_TO_THE_SERVER = {"auto:heuristic", "auto:cost_model"}


@pytest.fixture(scope="module")
def run(tiny_server, tmp_path_factory) -> Path:
    """One run's directory."""
    out = tmp_path_factory.mktemp("runs") / "control"
    done = halospec(
        "run", "--url", tiny_server, "--modes", ",".join(MODES), "--phases", "steady:4", "--blocks", 2,
        "--warmup", 2, "--max-tokens", 24, "--ignore-eos", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def test_k_is_null_where_a_rule_in_the_server_chose_it_and_each_round_says_what_was_in_force(run):
    for record in read_records(run).records:
        assert record.success, record.error
        assert (record.draft_length is None) == (record.mode in LEFT_TO_THE_SERVER)
        for done in record.round_log:
            assert done.limit is not None
            assert done.k <= done.limit
            assert record.draft_length in (None, done.limit)


def test_threads_that_a_mode_asks_for_are_those_of_its_rounds(run):
    threads = {
        done.threads
        for record in read_records(run).records
        if record.mode == "fixed_2@threads=1"
        for done in record.round_log
    }
    assert threads == {1}


def test_texts_do_not_hang_on_what_chose_k(run):
    texts: dict[str, set[str | None]] = {}
    for record in read_records(run).records:
        texts.setdefault(record.prompt_id, set()).add(record.text_sha256)
    assert all(len(of_prompt) == 1 for of_prompt in texts.values())


@pytest.mark.parametrize("mode", ["cost_model", "auto:cost_model"])
def test_a_step_can_be_explained(run, mode):
    done = halospec("explain", run, "--step", 2, "--block", 1, "--mode", mode, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told
    for one in told:
        assert (one["decision"]["mode"], one["decision"]["step"]) == (mode, 2)
        assert one["decision"]["reason"]
        assert one["ms_per_token"] > 0
        assert (one["decision"]["round"] is None) == (mode == "cost_model")


@pytest.mark.parametrize(
    "command",
    [("summarize", "--details"), ("plot",), ("export",), ("validate",), ("explain",), ("explain", "--step", 1)],
)
def test_everything_that_reads_a_run_reads_this_one(run, command):
    name, *options = command
    done = halospec(name, run, *options)
    assert done.returncode == 0, done.stderr


def test_the_run_can_be_repeated_from_its_plan(run, tmp_path, tiny_server):
    planned = halospec("run", "--url", tiny_server, "--plan", RunFiles(run).plan, "--out", tmp_path / "again")
    assert planned.returncode == 0, planned.stderr
    compared = halospec("compare", run, tmp_path / "again", "--fail-if", "auto:cost_model/steady/tpot_ms > +100000%")
    assert compared.returncode == 0, compared.stderr + compared.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--knob", "field:draft_length", "--modes", "fixed_0,auto:heuristic"), "its knob is draft_length"),
        (("--server", "openai", "--modes", "fixed_0,fixed_2@threads=1"), "another kind (openai)"),
        (("--design", "interleaved", "--modes", "fixed_0,auto:heuristic"), "cannot take turns"),
        (("--modes", "auto:nothing"), "There is no mode 'auto:nothing'"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence_before_anything_is_measured(tiny_server, tmp_path, options, said):
    done = halospec("run", "--url", tiny_server, *options, "--out", tmp_path / "none")
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "none" / "records.jsonl").exists()
