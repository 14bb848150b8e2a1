"""``halospec run`` against the bundled server over real HTTP, with real load, and what can be made of its records."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from command_line import halospec
from halospec.contention.spelling import spelled
from halospec.experiment.plan_file import read_plan
from halospec.records.loads import LoadReport
from halospec.records.manifest import Status, read_manifest
from halospec.records.probe import Verdict
from halospec.records.schema import Phase
from halospec.records.store import RunFiles, read_lines, read_records

pytestmark = pytest.mark.e2e

MODES = ("fixed_0", "fixed_2", "fixed_8", "adaptive")


@pytest.fixture(scope="module")
def run_with_load(tiny_server, tmp_path_factory) -> tuple[Path, str]:
    """One run: its directory and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "loaded"
    done = halospec(
        "run", "--url", tiny_server, "--modes", ",".join(MODES), "--phases", "steady:3,load:2,recovery:2",
        "--warmup", 2, "--max-tokens", 24, "--ignore-eos", "--load", "--load-workers", 1, "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_every_mode_has_requests_in_every_phase_and_all_succeed(run_with_load):
    records = read_records(run_with_load[0]).records
    for mode in MODES:
        measured = [r for r in records if r.mode == mode and not r.is_warmup]
        assert [r.phase for r in measured] == [Phase.STEADY] * 3 + [Phase.LOAD] * 2 + [Phase.RECOVERY] * 2
    assert all(r.success and r.completion_tokens == 24 for r in records)


def test_the_server_obeyed_and_every_round_is_on_record(run_with_load):
    for record in read_records(run_with_load[0]).records:
        assert record.drafted == sum(r.k for r in record.round_log)
        assert record.accepted == sum(r.accepted for r in record.round_log)
        assert record.rounds == len(record.round_log)
        assert all(r.k <= (record.draft_length or 0) for r in record.round_log)
        assert (record.drafted > 0) == (record.draft_length > 0)


def test_greedy_texts_agree_across_modes(run_with_load):
    texts: dict[str, set[str | None]] = {}
    for record in read_records(run_with_load[0]).records:
        texts.setdefault(record.prompt_id, set()).add(record.text_sha256)
    assert all(len(of_prompt) == 1 for of_prompt in texts.values())


def test_the_directory_holds_what_was_promised(run_with_load):
    files = RunFiles(run_with_load[0])
    manifest = read_manifest(files.manifest)
    assert manifest is not None
    assert manifest.status is Status.COMPLETE
    assert (manifest.server.kind, manifest.knob, manifest.placebo) == ("bundled", "draft_length", False)
    assert manifest.probe.best.verdict is Verdict.OBEYED
    assert manifest.server.loaded is not None
    assert len(manifest.server.loaded["target"]["sha256"]) == 64
    assert len(pd.read_parquet(files.parquet)) == len(read_records(files.directory).records) == 4 * 9
    summary = json.loads(files.summary.read_text())
    assert {mode["mode"] for mode in summary["modes"]} == set(MODES)
    assert summary["manipulation"]["verdict"] == "obeyed"
    assert len(files.load.read_text().splitlines()) == len(MODES)
    charts = {path.name for path in files.charts.iterdir()}
    assert {"adaptive_latency.png", "adaptive_latency.svg", "score_by_mode.png", "fixed_p95_latency.svg"} <= charts


def test_it_prints_the_tables_and_where_everything_is(run_with_load):
    out, printed = run_with_load
    assert all(mode in printed for mode in MODES)
    assert all(word in printed for word in ("steady", "load", "recovery", str(out)))
    assert halospec("summarize", out).stdout.splitlines()[:5] == printed.splitlines()[:5]


def test_the_export_has_the_originals_columns_and_summarises_to_the_same_table(run_with_load, tmp_path):
    out, _ = run_with_load
    exported = halospec("export", out, "--format", "classic-csv")
    lines = exported.stdout.splitlines()
    assert lines[0] == "global_step,step,mode,phase,draft_length,success,latency_ms,tokens"
    rows = list(csv.DictReader(lines))
    assert [int(row["global_step"]) for row in rows] == list(range(1, 29))
    assert {row["success"] for row in rows} == {"true"}
    target = tmp_path / "run.csv"
    assert halospec("export", out, "--format", "classic-csv", "--out", target).returncode == 0
    assert target.read_text().splitlines() == lines
    assert "fixed_8" in halospec("summarize", target).stdout


def test_a_csv_of_two_runs_is_not_pooled(run_with_load, tmp_path):
    lines = halospec("export", run_with_load[0]).stdout.splitlines(keepends=True)
    twice = tmp_path / "twice.csv"
    twice.write_text("".join([*lines, *lines[1:]]))
    assert "holds 2 runs" in " ".join(halospec("summarize", twice).stdout.split())


def test_charts_can_be_drawn_again_one_at_a_time(run_with_load):
    drawn = halospec("plot", run_with_load[0], "--chart", "score_by_mode")
    assert drawn.returncode == 0
    assert [Path(line).name for line in drawn.stdout.split()] == ["score_by_mode.png", "score_by_mode.svg"]


def test_a_run_is_never_written_over(run_with_load, tiny_server):
    again = halospec("run", "--url", tiny_server, "--modes", "fixed_0", "--out", run_with_load[0])
    assert again.returncode == 1
    assert "holds a run already" in again.stderr


def test_the_environment_switches_load_and_debug_logging_on(tiny_server, tmp_path):
    done = halospec(
        "run", "--url", tiny_server, "--modes", "fixed_1", "--phases", "steady:1,load:1", "--warmup", 0,
        "--max-tokens", 8, "--load-workers", 1, "--out", tmp_path / "run",
        HALOSPEC_LOAD="1", HALOSPEC_DEBUG_JSON="1",
    )  # fmt: skip
    assert done.returncode == 0
    phases = [record.phase for record in read_records(tmp_path / "run").records]
    assert phases == [Phase.STEADY, Phase.LOAD]
    probe = read_manifest(RunFiles(tmp_path / "run").manifest).probe
    look_at_token_counts = 1
    assert done.stderr.count("halospec.debug") == probe.canaries + look_at_token_counts + 2


def test_a_plan_in_seconds_with_sampling_and_own_prompts(tiny_server, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ta ki mo\nso sa\n")
    done = halospec(
        "run", "--url", tiny_server, "--modes", "fixed_2", "--phases", "steady:1s,load:1s,recovery:1s", "--warmup", 1,
        "--max-tokens", 32, "--temperature", 0.8, "--prompts", prompts, "--load", "--load-percent", 50,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [r for r in read_records(tmp_path / "run").records if not r.is_warmup]
    assert {r.phase for r in records} == {Phase.STEADY, Phase.LOAD, Phase.RECOVERY}
    assert {r.prompt_id for r in records} == {"p01", "p02"}


def test_loads_of_several_kinds_are_put_on_together_and_all_of_them_are_reported(tiny_server, tmp_path):
    memory, out = "memory:0.2GB/s@buffer=8MB", tmp_path / "run"
    done = halospec(
        "run", "--url", tiny_server, "--modes", "fixed_0,fixed_2", "--phases", "steady:1s,load:2s,recovery:1s",
        "--warmup", 1, "--max-tokens", 16, "--inject", "cpu:40%@workers=1", "--inject", memory, "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = ("cpu:40%@workers=1", memory)
    assert tuple(map(spelled, read_plan(RunFiles(out).plan).loads)) == names
    told = " ".join(done.stderr.split())
    for mode in ("fixed_0", "fixed_2"):
        assert re.search(rf"{mode} \(block 1\) done: {names[0]} got \S+ %, {names[1]} got \S+ GB/s", told), told
    reports = list(read_lines(RunFiles(out).load, LoadReport))
    assert [tuple(load.name for load in report.loads) for report in reports] == [names, names]
    assert all(load.achieved and load.target for report in reports for load in report.loads)
    assert {r.phase for r in read_records(out).records} >= {Phase.STEADY, Phase.LOAD, Phase.RECOVERY}
    validated = halospec("validate", out)
    assert validated.returncode == 0, validated.stdout
    assert all(f"{name} got " in validated.stdout for name in names)
