"""From a run's journal to its tables, charts and files, and again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from halospec.execution import conclude
from halospec.records.store import RecordJournal, RunFiles, StoreError

MS = 10**6
FAILED = {"success": False, "error": "The server said no.", "completion_tokens": None}


@pytest.fixture
def run(tmp_path: Path, make_record) -> RunFiles:
    files = RunFiles(tmp_path / "run")
    with RecordJournal(files.records) as journal:
        journal.append(make_record(completion_tokens=11, first_token_ns=20 * MS, ended_ns=100 * MS))
        journal.append(make_record(step=2, global_step=2, **FAILED))
    return files


def test_a_journal_alone_is_enough(run):
    conclusion = conclude(run.directory)
    assert conclusion.status is None
    assert conclusion.any_success
    (mode,) = conclusion.summary.modes
    assert (mode.steps, mode.failures, mode.tpot_ms) == (2, 1, pytest.approx(8.0))
    assert json.loads(run.summary.read_text())["modes"][0]["mode"] == "fixed_2"
    assert list(pd.read_parquet(run.parquet)["success"]) == [True, False]
    assert all(path.exists() for path in conclusion.charts.paths)


def test_concluding_again_gives_the_same_summary(run):
    assert conclude(run.directory).summary == conclude(run.directory).summary


def test_a_run_without_a_success_is_still_concluded(tmp_path, make_record):
    files = RunFiles(tmp_path)
    with RecordJournal(files.records) as journal:
        journal.append(make_record(**FAILED))
    conclusion = conclude(tmp_path)
    assert not conclusion.any_success
    assert files.parquet.exists()


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(StoreError):
        conclude(tmp_path)
