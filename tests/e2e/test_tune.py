"""``halospec tune`` on the bundled server, and on a real llama-server that is started anew for each draft length."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from command_line import halospec, halospec_running
from halospec.records.manifest import Status
from halospec.records.schema import Phase
from halospec.records.store import RunFiles, read_records
from halospec.tuning.account import read_tuning, tuning_file
from peer_servers import llama_server, llama_server_program

pytestmark = pytest.mark.e2e

SHORT = ("--max-tokens", 24, "--ignore-eos", "--warmup", 1)


@pytest.fixture(scope="module")
def tuned(tiny_server, tmp_path_factory) -> tuple[Path, str]:
    """One search on the bundled server: its directory and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "tune"
    done = halospec("tune", tiny_server, "--lengths", "1-4", "--budget", 60, *SHORT, "--slo", "auto", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_rounds_get_smaller_and_k_0_is_in_each(tuned):
    result = read_tuning(tuned[0]).result
    assert [len(done.lengths) for done in result.rounds] == [5, 3]
    assert all(done.lengths[0] == 0 for done in result.rounds)
    assert set(result.rounds[1].lengths) < set(result.rounds[0].lengths)
    assert result.verdict.recommended in result.rounds[-1].lengths


def test_the_records_are_those_of_the_rounds_and_k_was_obeyed(tuned):
    tuning = read_tuning(tuned[0])
    records = read_records(tuned[0]).records
    assert len(records) == tuning.result.requests <= 60
    for done in tuning.result.rounds:
        of_round = [record for record in records if record.block == done.first_block and not record.is_warmup]
        assert {record.draft_length for record in of_round} == set(done.lengths)
        assert len(of_round) == len(done.lengths) * done.prompts
    assert all(record.mode == f"fixed_{record.draft_length}" for record in records)
    assert all((record.drafted > 0) == (record.draft_length > 0) for record in records)
    assert sum(record.phase is Phase.WARMUP for record in records) == 5


def test_the_account_says_how_fit_the_machine_was(tuned):
    assert {"clock", "memory", "server"} <= {finding.name for finding in read_tuning(tuned[0]).fitness}


def test_the_last_round_asks_prompts_that_were_not_asked_before(tuned):
    tuning = read_tuning(tuned[0])
    measured = [record for record in read_records(tuned[0]).records if not record.is_warmup]
    last = tuning.result.rounds[-1].first_block
    assert tuning.result.is_fresh
    assert not {r.prompt_id for r in measured if r.block == last} & {r.prompt_id for r in measured if r.block < last}


def test_what_to_configure_is_printed(tuned):
    out, printed = tuned
    tuning = read_tuning(out)
    assert tuning.status is Status.COMPLETE
    assert f"halospec serve --draft-length {tuning.result.verdict.recommended}" in printed
    assert str(out) in printed
    assert tuning.result.slo.warmups == 1


def test_the_directory_can_be_summarised_like_any_run(tuned):
    done = halospec("summarize", tuned[0])
    assert done.returncode == 0, done.stderr
    assert "fixed_4" in done.stdout


def test_the_answer_as_json_under_load(tiny_server, tmp_path):
    done = halospec(
        "tune", tiny_server, "--lengths", "0,4", "--budget", 20, *SHORT, "--load", "--load-workers", 1, "--json",
        "--out", tmp_path / "tune",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {length["draft_length"] for length in answer["lengths"]} == {0, 4}
    assert answer["advice"][0]["lines"]
    measured = [record for record in read_records(tmp_path / "tune").records if not record.is_warmup]
    assert {record.phase for record in measured} == {Phase.LOAD}


def test_a_directory_that_holds_a_search_is_not_overwritten(tiny_server, tuned):
    before = tuning_file(tuned[0]).read_bytes()
    done = halospec("tune", tiny_server, *SHORT, "--out", tuned[0])
    assert done.returncode == 1
    assert "holds a run already" in done.stderr
    assert tuning_file(tuned[0]).read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lengths", "0"), "nothing to tune"),
        (("--budget", "9"), "give at least"),
        (("--slo", "speed=1"), "names no objective"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(options, said, tmp_path):
    done = halospec("tune", "http://127.0.0.1:9", *options, "--out", tmp_path / "tune")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "tune").exists()


def test_what_was_measured_before_ctrl_c_is_kept(tiny_server, tmp_path):
    out = tmp_path / "tune"
    with halospec_running("tune", tiny_server, "--budget", 5000, *SHORT, "--out", out) as running:
        deadline_s = time.monotonic() + 60
        while not (RunFiles(out).records.exists() and RunFiles(out).records.read_bytes().count(b"\n") > 20):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    told = " ".join(said.split())
    assert str(out) in told
    assert "a search cannot be resumed" in told
    assert read_tuning(out).status is Status.INTERRUPTED
    assert len(read_records(out).records) > 20


@pytest.mark.peer
def test_a_server_that_is_started_anew_for_each_k(tiny_pair, tmp_path):
    target, draft = tiny_pair
    out = tmp_path / "tune"
    command = (
        f"{llama_server_program()} -m '{target}' -md '{draft}' --host 127.0.0.1 --port {{port}} -c 512 -np 1 -t 1"
        " {draft_args}"
    )
    done = halospec("tune", "--server-command", command, "--lengths", "0-3", "--budget", 70, *SHORT, "--out", out)
    assert done.returncode == 0, done.stderr
    tuning = read_tuning(out)
    recommended = tuning.result.verdict.recommended
    expected = f"--spec-type draft-simple --spec-draft-n-max {recommended}" if recommended else "--spec-type none"
    assert expected in done.stdout
    last = tuning.result.rounds[-1]
    assert last.last_block > last.first_block, "the last round goes over all k more than once"
    assert tuning.result.units == last.last_block - last.first_block + 1
    records = read_records(out).records
    assert all(record.success and (record.drafted > 0) == (record.draft_length > 0) for record in records)
    switches = [json.loads(line) for line in RunFiles(out).switches.read_text().splitlines()]
    trials = {(record.block, record.draft_length) for record in records}
    assert len(trials) - last.last_block <= len(switches) <= len(trials)
    assert all(record.is_warmup for record in records if record.switch_ms is not None)


@pytest.mark.peer
def test_a_server_that_ignores_k_is_not_tuned(tiny_pair, tmp_path):
    target, draft = tiny_pair
    drafting = ("-md", draft, "--spec-type", "draft-simple", "--spec-draft-n-max", 3)
    with llama_server("-m", target, *drafting, "-c", 512, log=tmp_path / "server.log") as url:
        done = halospec("tune", url, *SHORT, "--out", tmp_path / "tune")
    assert done.returncode == 1
    assert "ignores the draft length" in done.stderr
    assert "--allow-placebo" not in done.stderr
    assert not (tmp_path / "tune").exists()
