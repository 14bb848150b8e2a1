"""What was measured is on disk at once and reads back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_results import measurement, session
from engine_peers.records import ResultsError, ResultsFile, read_results


def test_records_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    file = ResultsFile(path)
    measured = [measurement("halospec", 4), measurement("bare", 4, outside_decode=0.004)]
    for record in (session(), *measured):
        file.add(record)
    file.close()
    results = read_results(path)
    assert results.session == session()
    assert results.measurements == measured


def test_a_record_is_on_disk_before_the_next_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    file = ResultsFile(path)
    file.add(session())
    file.add(measurement())
    assert len(read_results(path).measurements) == 1
    file.close()


class TestUnreadable:
    def test_a_missing_file_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ResultsError, match=r"cannot be read: No such file or directory\.$"):
            read_results(tmp_path / "missing")

    def test_another_file_is_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "other.jsonl"
        path.write_text('{"some": "thing"}\n')
        with pytest.raises(ResultsError, match="is not a file of results"):
            read_results(path)

    def test_a_file_without_its_session_is_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.jsonl"
        path.write_text(measurement().model_dump_json() + "\n")
        with pytest.raises(ResultsError, match="holds 0 sessions"):
            read_results(path)
