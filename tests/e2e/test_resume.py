"""A run that is killed goes on where it was, against the bundled server over real HTTP."""

from __future__ import annotations

import json
import signal
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from command_line import halospec, halospec_running, until
from halospec.experiment.plan_file import read_plan
from halospec.records.manifest import Manifest, Status, read_manifest
from halospec.records.schema import Phase, RequestRecord
from halospec.records.store import RunFiles, read_records

pytestmark = pytest.mark.e2e

MODES = ("fixed_0", "fixed_2", "adaptive")
STEPS = 6
BLOCKS = 3


def asked(url: str, out: Path, *more: object) -> tuple[object, ...]:
    return (
        "run", "--url", url, "--phases", "steady:2,load:2,recovery:2", "--warmup", 1, "--blocks", BLOCKS,
        "--max-tokens", 64, "--ignore-eos", "--load", "--load-workers", 1, "--out", out, *more,
    )  # fmt: skip


def killed_in_the_middle(out: Path, *arguments: object, after_records: int) -> list[RequestRecord]:
    """Kill a run once its journal holds so many records; return them."""
    journal = RunFiles(out).records
    with halospec_running(*arguments) as process:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= after_records)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return list(read_records(out).records)


def places(records: list[RequestRecord]) -> Counter[tuple[int, str, int]]:
    return Counter((r.block, r.mode, r.step) for r in records if not r.is_warmup and not r.void)


@pytest.mark.parametrize("torn", [b"", b'{"mode":"fixed_2","ph'], ids=["between two records", "in a record"])
def test_a_blocked_run_begins_the_broken_trial_anew_and_loses_nothing(tiny_server, tmp_path, torn):
    out = tmp_path / "run"
    before = killed_in_the_middle(out, *asked(tiny_server, out, "--modes", ",".join(MODES)), after_records=30)
    with RunFiles(out).records.open("ab") as journal:
        journal.write(torn)

    done = halospec("run", "--resume", out)
    assert done.returncode == 0, done.stderr
    assert "Going on after" in done.stderr

    after = list(read_records(out).records)
    assert [r.model_copy(update={"void": False}) for r in after[: len(before)]] == before
    assert places(after) == Counter({(b, m, s): 1 for b in (1, 2, 3) for m in MODES for s in range(1, STEPS + 1)})
    voided = [r for r in after if r.void]
    assert len({(r.block, r.mode) for r in voided}) == (1 if voided else 0)
    assert all(json.loads(line)["void"] is (n in {after.index(v) for v in voided}) for n, line in enumerate(lines(out)))
    assert all(earlier.ended_ns <= later.started_ns for earlier, later in pairwise(after))
    manifest = manifest_in(out)
    assert manifest.status is Status.COMPLETE
    assert [one.after_records for one in manifest.resumptions] == [len(before)]
    assert [one.voided for one in manifest.resumptions] == [len(voided)]
    validated = halospec("validate", out)
    assert validated.returncode == 0, validated.stdout
    summary = json.loads(RunFiles(out).summary.read_text())
    assert (summary["requests"], summary["void"]) == (BLOCKS * len(MODES) * STEPS, len(voided))


def test_an_interleaved_run_goes_on_at_the_next_request_in_the_middle_of_a_phase(tiny_server, tmp_path):
    out = tmp_path / "run"
    arguments = asked(tiny_server, out, "--modes", "fixed_0,fixed_2,fixed_8", "--design", "interleaved")
    # The second block's warm-up is 3 requests, its steady phase 6: it is killed under load.
    before = killed_in_the_middle(out, *arguments, after_records=21 + 3 + 6 + 2)
    done = halospec("run", "--resume", out)
    assert done.returncode == 0, done.stderr

    after = list(read_records(out).records)
    assert after[: len(before)] == before
    assert not any(r.void for r in after)
    modes = ("fixed_0", "fixed_2", "fixed_8")
    assert places(after) == Counter({(b, m, s): 1 for b in (1, 2, 3) for m in modes for s in range(1, STEPS + 1)})
    plan = read_plan(RunFiles(out).plan)
    second = next(trial for trial in plan.trials if trial.block == 2)
    measured = [r for r in after if r.block == 2 and not r.is_warmup]
    assert [r.mode for r in measured] == [m for step in range(1, STEPS + 1) for m in plan.order_at(second, step)]
    assert {r.phase for r in measured if r.step in {5, 6}} == {Phase.RECOVERY}
    assert {r.phase for r in measured if r.step in {1, 2}} == {Phase.STEADY}


def test_a_complete_run_is_left_as_it_is(tiny_server, tmp_path):
    out = tmp_path / "run"
    short = ("--modes", "fixed_0,fixed_2", "--phases", "steady:1", "--warmup", 0, "--max-tokens", 8, "--out", out)
    assert halospec("run", "--url", tiny_server, *short).returncode == 0
    content = RunFiles(out).records.read_bytes()
    done = halospec("run", "--resume", out)
    assert (done.returncode, RunFiles(out).records.read_bytes()) == (0, content)
    assert "Nothing of this run is left to do." in done.stderr


def test_a_run_that_is_under_way_is_not_gone_on_with(tiny_server, tmp_path):
    out = tmp_path / "run"
    arguments = asked(tiny_server, out, "--modes", ",".join(MODES), "--cool-down", 60)
    with halospec_running(*arguments) as process:
        until(lambda: RunFiles(out).records.exists())
        done = halospec("run", "--resume", out)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert done.returncode == 1
    assert "is still under way" in done.stderr


def test_a_resumed_run_is_not_gone_on_with_by_two_at_once_either(tiny_server, tmp_path):
    out = tmp_path / "run"
    killed_in_the_middle(
        out, *asked(tiny_server, out, "--modes", "fixed_0,fixed_2", "--cool-down", 60), after_records=7
    )
    with halospec_running("run", "--resume", out) as process:
        until(lambda: bool(manifest_in(out).resumptions))
        done = halospec("run", "--resume", out)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert done.returncode == 1
    assert "is still under way" in done.stderr


def test_a_resumed_run_is_judged_as_is_wanted_now(tiny_server, tmp_path):
    out = tmp_path / "run"
    killed_in_the_middle(out, *asked(tiny_server, out, "--modes", "fixed_0,fixed_2"), after_records=10)
    done = halospec("run", "--resume", out, "--slo", "e2e_ms=5000", "--reference", "fixed_2")
    assert done.returncode == 0, done.stderr
    summary = json.loads(RunFiles(out).summary.read_text())
    assert summary["slo"]["reference"] == "fixed_2"
    assert summary["slo"]["slo"]["e2e_ms"] == 5000


def test_a_run_whose_reader_has_gone_says_that_it_ended(tiny_server, tmp_path):
    out = tmp_path / "run"
    with halospec_running(*asked(tiny_server, out, "--modes", "fixed_0,fixed_2")) as process:
        until(lambda: RunFiles(out).records.exists())
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        process.wait()
    assert (process.returncode, manifest_in(out).status) == (1, Status.FAILED)
    assert halospec("run", "--resume", out).returncode == 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(("--blocks", 9), "which decides what --blocks would"), (("--modes", "fixed_1"), "which decides what --modes")],
)
def test_a_resumed_run_takes_no_other_plan(tmp_path, more, sentence):
    done = halospec("run", "--resume", tmp_path, *more)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_directory_without_a_run_is_refused(tmp_path):
    done = halospec("run", "--resume", tmp_path)
    assert done.returncode == 1
    assert "holds no manifest.json" in done.stderr


def manifest_in(out: Path) -> Manifest:
    manifest = read_manifest(RunFiles(out).manifest)
    assert manifest is not None
    return manifest


def lines(out: Path) -> list[bytes]:
    return RunFiles(out).records.read_bytes().splitlines()
