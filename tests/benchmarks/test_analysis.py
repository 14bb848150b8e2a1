"""The parts of the analysis benchmark: its records are real ones, and both ways compute the same numbers of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import analysis
from halospec.analysis.loading import RunData, read_run
from halospec.analysis.manipulation import Verdict
from halospec.analysis.summary import summarize_run
from halospec.records.schema import RequestRecord

RECORDS = 2 * analysis.STEPS * len(analysis.MODES)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("made") / "records.parquet"
    analysis.make(file, RECORDS)
    return file


@pytest.fixture(scope="module")
def run(path: Path) -> RunData:
    return read_run(path)


def test_every_made_row_is_a_valid_record(path: Path):
    rows = pq.read_table(path).to_pylist()
    assert len([RequestRecord(**row) for row in rows]) == RECORDS


def test_the_made_run_is_whole_blocks_of_all_modes_and_phases(run: RunData):
    requests = run.requests
    assert requests.modes == analysis.MODES
    assert requests.blocks_here == (1, 2)
    assert len(list(requests.by_trial())) == 2 * len(analysis.MODES)
    assert len(list(requests.by_mode_and_phase())) == len(analysis.MODES) * len(analysis.PHASES)
    assert summarize_run(run).manipulation.verdict is Verdict.OBEYED


def test_the_rounds_of_a_made_request_yield_its_tokens(run: RunData):
    tokens = np.bincount(run.rounds.request, weights=run.rounds.accepted + 1, minlength=RECORDS)
    assert (tokens == analysis.TOKENS).all()
    assert (run.rounds.k == run.requests.draft_length[run.rounds.request]).all()


def test_the_same_records_are_made_every_time(path: Path, tmp_path: Path):
    analysis.make(tmp_path / "again.parquet", RECORDS)
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(path))


def test_both_ways_print_the_same_numbers(path: Path, run: RunData, capsys: pytest.CaptureFixture[str]):
    analysis.naive(path)
    naive = capsys.readouterr().out
    analysis.summarise(path)
    ours = capsys.readouterr().out

    for mode in summarize_run(run).modes:
        assert mode.mean_ms is not None
        assert mode.p95_ms is not None
        assert mode.tpot_ms is not None
        row = next(line.split() for line in naive.splitlines() if line.startswith(mode.mode))
        columns = ("mode", "n", "mean_ms", "median_ms", "p95_ms", "sd_ms", "tpot_ms", "ttft_ms", "acceptance")
        found = dict(zip(columns, row, strict=True))
        assert float(found["n"]) == mode.successes
        assert float(found["mean_ms"]) == pytest.approx(mode.mean_ms)
        assert float(found["p95_ms"]) == pytest.approx(mode.p95_ms)
        assert float(found["tpot_ms"]) == pytest.approx(mode.tpot_ms)
        assert mode.mode in ours


def test_a_process_of_each_way_is_measured(path: Path):
    costs = analysis.in_turns(path, repetitions=1)
    assert list(costs) == ["halospec", "pandas"]
    assert all(cost.wall_s > 0 and cost.peak_mib > 10 for found in costs.values() for cost in found)
    assert "halospec" in analysis.table(costs)


def test_a_way_that_fails_ends_the_benchmark(tmp_path: Path):
    with pytest.raises(SystemExit, match="exit code"):
        analysis.cost_of("--way", "halospec", "--file", str(tmp_path / "absent.parquet"))
