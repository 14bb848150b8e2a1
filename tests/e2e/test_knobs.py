"""``halospec run`` through every knob on a real llama-server, and the placebo that is not measured unnoticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import halospec
from halospec.records.manifest import Status, read_manifest
from halospec.records.probe import Verdict
from halospec.records.store import RunFiles, read_records
from peer_servers import llama_server, llama_server_program

pytestmark = [pytest.mark.e2e, pytest.mark.peer]

SHORT = ("--phases", "steady:2", "--warmup", 1, "--max-tokens", 24, "--ignore-eos")


@pytest.fixture
def start_command(tiny_pair: tuple[Path, Path]) -> str:
    target, draft = tiny_pair
    return (
        f"{llama_server_program()} -m '{target}' -md '{draft}' --host 127.0.0.1 --port {{port}}"
        " -c 512 -np 1 -t 1 {draft_args}"
    )


@pytest.fixture
def ignoring_server(tiny_pair: tuple[Path, Path], tmp_path: Path) -> Iterator[str]:
    target, draft = tiny_pair
    drafting = ("-md", draft, "--spec-type", "draft-simple", "--spec-draft-n-max", 3)
    with llama_server("-m", target, *drafting, "-c", 512, log=tmp_path / "server.log") as url:
        yield url


def test_a_study_of_fixed_k_through_restarts(start_command, tmp_path):
    out = tmp_path / "run"
    modes = ("fixed_0", "fixed_1", "fixed_4")
    done = halospec(
        "run", "--server-command", start_command, "--modes", ",".join(modes), "--blocks", 2, *SHORT, "--out", out
    )
    assert done.returncode == 0, done.stderr
    files = RunFiles(out)
    manifest = read_manifest(files.manifest)
    assert (manifest.status, manifest.knob, manifest.placebo) == (Status.COMPLETE, "restart", False)
    assert manifest.probe.best.knob == "restart"
    records = read_records(out).records
    assert len(records) == len(modes) * 2 * 3
    assert all(record.success for record in records)
    assert all((record.drafted > 0) == (record.draft_length > 0) for record in records)
    # A trial starts the server anew unless the last one, or the probe, left it at this very k.
    switched = [record for record in records if record.switch_ms is not None]
    assert len(switched) >= len(modes) * 2 - 2
    assert all(record.is_warmup and record.step == 1 for record in switched)
    switches = [json.loads(line) for line in files.switches.read_text().splitlines()]
    assert [switch["draft_length"] for switch in switches] == [record.draft_length for record in switched]
    assert "anew" in done.stdout
    assert json.loads(files.summary.read_text())["manipulation"]["verdict"] == "obeyed"


def test_adaptive_cannot_work_through_restarts_and_says_why(start_command, tmp_path):
    done = halospec(
        "run", "--server-command", start_command, "--modes", "fixed_0,adaptive", *SHORT, "--out", tmp_path / "run"
    )
    assert done.returncode == 1
    assert "adaptive chooses k anew for each request" in done.stderr
    assert not RunFiles(tmp_path / "run").manifest.exists()


@pytest.mark.parametrize("router_options", [(), ("--no-models-autoload",)])
def test_adaptive_works_through_aliases(tiny_pair, tmp_path, router_options):
    target, draft = tiny_pair
    preset = tmp_path / "presets.ini"
    preset.write_text(f"[tiny]\nmodel = {target}\nmodel-draft = {draft}\nctx-size = 512\nparallel = 1\nthreads = 1\n")
    before = preset.read_bytes()
    out = tmp_path / "run"
    with llama_server(
        "--models-preset", preset, "--models-max", 12, *router_options, log=tmp_path / "router.log"
    ) as url:
        lengths = ",".join(map(str, range(9)))
        created = halospec("aliases", "create", url, "--model", "tiny", "--lengths", lengths, "--preset", preset)
        assert created.returncode == 0, created.stderr
        done = halospec(
            "run", "--url", url, "--model", "tiny", "--knob", "alias", "--modes", "fixed_0,fixed_8,adaptive",
            "--phases", "steady:6", "--warmup", 1, "--max-tokens", 24, "--ignore-eos", "--out", out,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        removed = halospec("aliases", "remove", url, "--model", "tiny", "--preset", preset)
        assert removed.returncode == 0, removed.stderr
    assert preset.read_bytes() == before
    records = read_records(out).records
    assert all(record.success and record.knob == "alias:tiny-k{k}" for record in records)
    assert len({record.draft_length for record in records if record.mode == "adaptive"}) > 1
    for record in records:
        assert (record.drafted > 0) == (record.draft_length > 0)
    assert read_manifest(RunFiles(out).manifest).probe.best.verdict is Verdict.OBEYED


def test_a_server_that_ignores_k_is_not_measured(ignoring_server, tmp_path):
    done = halospec("run", "--url", ignoring_server, "--modes", "fixed_0,fixed_4", *SHORT, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "ignores the draft length" in done.stderr
    assert "--allow-placebo" in done.stderr
    assert not RunFiles(tmp_path / "run").records.exists()


def test_a_placebo_run_says_so_on_everything_that_comes_of_it(ignoring_server, tmp_path):
    out = tmp_path / "run"
    done = halospec(
        "run", "--url", ignoring_server, "--modes", "fixed_0,fixed_4", *SHORT, "--allow-placebo", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "PLACEBO" in done.stdout
    files = RunFiles(out)
    manifest = read_manifest(files.manifest)
    assert manifest.placebo
    assert {knob.verdict for knob in manifest.probe.knobs} == {Verdict.IGNORED}
    assert all(record.placebo for record in read_records(out).records)
    assert json.loads(files.summary.read_text())["placebo"] is True
    assert "PLACEBO" in halospec("summarize", out).stdout
    exported = tmp_path / "run.csv"
    assert halospec("export", out, "--out", exported).returncode == 0
    assert all("PLACEBO" in line for line in exported.read_text().splitlines()[1:])
    assert "PLACEBO" in halospec("summarize", exported).stdout
