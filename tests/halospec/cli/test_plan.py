"""``halospec plan``: a file that can be run, and what it will take and can find."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.contention.loads import CpuLoad, Load, MemoryLoad
from halospec.contention.spelling import spelled
from halospec.cores import available_cores
from halospec.experiment.plan import Design
from halospec.experiment.plan_file import read_plan
from halospec.records.schema import Phase
from halospec.records.store import RecordJournal, RunFiles


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.delenv("HALOSPEC_LOAD", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["plan", *map(str, arguments)])


@pytest.fixture
def pilot(tmp_path, make_record):
    """Three blocks of two modes, as a run leaves them."""
    chance = np.random.default_rng(1)
    directory = tmp_path / "pilot"
    with RecordJournal(RunFiles(directory).records) as journal:
        for block in (1, 2, 3):
            for mode, k in (("fixed_0", 0), ("fixed_4", 4)):
                tpot_ms = 20.0 - 2 * k + chance.normal(0, 0.3)
                for step in (1, 2, 3, 4):
                    took_ms = 100 + 63 * tpot_ms
                    journal.append(
                        make_record(
                            mode=mode, draft_length=k, block=block, step=step, prompt_id=f"p{step}",
                            phase=Phase.STEADY, completion_tokens=64, ttft_ms=100.0, latency_ms=took_ms,
                            first_token_ns=100_000_000, ended_ns=int(took_ms * 1e6),
                        )
                    )  # fmt: skip
    return directory


def test_it_writes_a_plan_and_says_what_it_holds(invoke, tmp_path):
    out = tmp_path / "plan.json"
    result = invoke("--design", "interleaved", "--modes", "fixed_0, fixed_4", "--blocks", 3, "--seed", 5, "--out", out)
    assert result.exit_code == 0, result.output
    plan = read_plan(out)
    assert (plan.design, plan.modes, plan.blocks, plan.seed) == (Design.INTERLEAVED, ("fixed_0", "fixed_4"), 3, 5)
    said = " ".join(result.stdout.split())
    assert "interleaved, seed 5" in said
    assert "30 (10 code, 10 conversation, 10 summarisation)" in said
    assert "3 trials in 3 blocks, 120 requests." in said
    assert "How long it will take is not known" in said
    assert str(out) in result.stdout.replace("\n", "")


def test_what_is_injected_is_in_the_plan_and_on_the_screen_even_for_a_larger_machine(invoke, tmp_path):
    out = tmp_path / "plan.json"
    result = invoke("--inject", "cpu:75%@workers=1000", "--inject", "memory:4000MB/s", "--load", "--out", out)
    assert result.exit_code == 0, result.output
    default = Load(CpuLoad(available_cores()))
    assert read_plan(out).loads == (default, Load(CpuLoad(1000, 75.0)), Load(MemoryLoad(4.0)))
    assert f"{spelled(default)}, cpu:75%@workers=1000, memory:4GB/s" in " ".join(result.stdout.split())


def test_a_pilot_tells_how_long_it_takes_and_what_more_blocks_would_find(invoke, tmp_path, pilot):
    result = invoke("--modes", "fixed_0,fixed_4", "--blocks", 4, "--out", tmp_path / "plan.json", "--pilot", pilot)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "8 trials in 4 blocks, 160 requests, about 3 min." in said
    assert "will be found with 80 % power" in said
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows] == ["2", "3", "4", "5", "10", "20", "50", "100"]
    assert float(rows[-1][1]) < float(rows[2][1])
    assert "Blocks that find a difference in every phase:" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--design", "interleaved", "--modes", "fixed_0,adaptive"), "adaptive may learn from request to request"),
        (("--preset", "classic", "--cool-down", 3), "--preset classic decides what --cool-down would"),
        (("--modes", "magic"), "There is no mode 'magic'"),
        (("--modes", ""), "--modes: name at least one mode"),
        (("--load-workers", 1), "need --load"),
        (("--inject", "gravity:9.81"), "--inject: There is no load 'gravity'"),
        (("--inject", "memory:4GB/s", "--phases", "steady:5"), "needs a load phase, and so does --inject"),
        (("--inject", "memory:4GB/s", "--inject", "memory:4GB/s"), "The load memory:4GB/s is asked for twice"),
        (("--inject", "memory:4GB/s", "--preset", "classic"), "--preset classic decides what --inject would"),
        (("--cool-down", "inf"), "--cool-down:"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_sentence(invoke, tmp_path, arguments, said):
    out = tmp_path / "plan.json"
    result = invoke(*arguments, "--out", out)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not out.exists()


def test_a_pilot_that_is_no_run_is_refused_before_anything_is_written(invoke, tmp_path):
    result = invoke("--pilot", tmp_path, "--out", tmp_path / "plan.json")
    assert result.exit_code == 1
    assert "records.jsonl does not exist" in result.stderr.replace("\n", "")
    assert not (tmp_path / "plan.json").exists()
