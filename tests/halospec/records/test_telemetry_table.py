"""From telemetry.jsonl to telemetry.parquet, and back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from halospec.records import telemetry_table
from halospec.records.store import RunFiles, StoreError
from halospec.records.telemetry_table import read_telemetry, write_telemetry_table
from halospec.records.ticks import Tick, tick_line


@pytest.fixture
def files(tmp_path) -> RunFiles:
    return RunFiles(tmp_path)


def keep(files: RunFiles, *ticks: Tick) -> None:
    with files.telemetry_journal.open("ab") as file:
        file.write(b"".join(map(tick_line, ticks)))


def convert(files: RunFiles) -> None:
    write_telemetry_table(files.telemetry_journal, files.telemetry)


def test_a_table_has_a_row_a_tick_and_null_where_nothing_was_read(files):
    keep(files, Tick(1, {"a.b": 1.0}), Tick(2, {"a.c": 2.5}), Tick(3, {"a.b": 3.0, "a.c": 4.0}))
    convert(files)
    table = pq.read_table(files.telemetry)
    assert [(field.name, field.type) for field in table.schema] == [
        ("at_ns", pa.int64()),
        ("a.b", pa.float64()),
        ("a.c", pa.float64()),
    ]
    assert table.to_pydict() == {"at_ns": [1, 2, 3], "a.b": [1.0, None, 3.0], "a.c": [None, 2.5, 4.0]}
    assert pq.ParquetFile(files.telemetry).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_resumed_run_has_the_columns_of_both_parts(files, monkeypatch):
    monkeypatch.setattr(telemetry_table, "TICKS_PER_GROUP", 2)
    keep(files, *(Tick(at_ns, {"a.b": float(at_ns)}) for at_ns in range(3)))
    keep(files, *(Tick(at_ns, {"server.rss_bytes": 7.0}) for at_ns in range(3, 5)))
    convert(files)
    assert pq.ParquetFile(files.telemetry).num_row_groups == 3
    assert pq.read_table(files.telemetry).to_pydict() == {
        "at_ns": [0, 1, 2, 3, 4],
        "a.b": [0.0, 1.0, 2.0, None, None],
        "server.rss_bytes": [None, None, None, 7.0, 7.0],
    }


def test_the_table_and_the_journal_read_alike(files):
    keep(files, Tick(1, {"a.b": 1.0}), Tick(2, {"a.c": 2.5}))
    from_journal = read_telemetry(files.directory)
    convert(files)
    assert read_telemetry(files.directory).equals(from_journal)
    files.telemetry_journal.unlink()
    assert read_telemetry(files.directory).equals(from_journal)


def test_a_table_that_the_journal_has_outgrown_is_not_believed(files):
    keep(files, Tick(1, {"a.b": 1.0}))
    convert(files)
    keep(files, Tick(2, {"a.b": 2.0}))
    assert read_telemetry(files.directory)["at_ns"].to_pylist() == [1, 2]


def test_a_torn_last_line_is_in_neither(files):
    keep(files, Tick(1, {"a.b": 1.0}))
    with files.telemetry_journal.open("ab") as file:
        file.write(b'{"at_ns":2,"a')
    convert(files)
    assert pq.read_table(files.telemetry)["at_ns"].to_pylist() == [1]
    assert read_telemetry(files.directory)["at_ns"].to_pylist() == [1]


def test_an_empty_journal_is_a_table_without_rows(files):
    files.telemetry_journal.touch()
    assert read_telemetry(files.directory).num_rows == 0
    convert(files)
    assert read_telemetry(files.directory).num_rows == 0


def test_a_run_without_telemetry_has_none(files):
    assert read_telemetry(files.directory) is None


def test_a_table_that_is_none_is_told(files):
    files.telemetry.write_bytes(b"no table")
    with pytest.raises(StoreError, match="not a readable Parquet file"):
        read_telemetry(files.directory)


def test_a_journal_that_is_none_leaves_no_table(files):
    files.telemetry_journal.write_bytes(b"no journal\n")
    with pytest.raises(StoreError, match="line 1 is not a reading"):
        convert(files)
    assert sorted(path.name for path in files.directory.iterdir()) == ["telemetry.jsonl"]
