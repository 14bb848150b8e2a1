"""``telemetry.parquet``: what was read off the machine during a run, a row a tick and a column a number.

The column ``at_ns`` is the time on the run's clock; all others are named ``source.column`` and null where they were not
read at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from halospec.records.parquet import JOURNAL_KEY, fingerprint, replaced
from halospec.records.store import RunFiles, StoreError
from halospec.records.ticks import AT, Tick, read_ticks

TICKS_PER_GROUP = 10_000
"""Rows of which all columns are in memory at once while a file is written: a quarter of an hour at 10 Hz."""


def write_telemetry_table(journal: Path, path: Path) -> None:
    """Write a journal of ticks as a table, a group of rows at a time; the file appears whole or not at all.

    The journal is read twice: first for its columns, since a run that went on elsewhere may have had others.

    Raises
    ------
    StoreError
        If the journal cannot be read or the file not be written.
    """
    made_of = fingerprint(journal)
    schema = _schema(journal).with_metadata({JOURNAL_KEY: made_of} if made_of else None)
    with replaced(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for ticks in _groups(read_ticks(journal)):
            writer.write_table(_table(ticks, schema))


def read_telemetry(directory: Path) -> pa.Table | None:
    """Read a run's telemetry: the table if it was made of the journal as it is now, otherwise the journal itself.

    ``None`` for a run without any.

    Raises
    ------
    StoreError
        If a file is not what its name says.
    """
    files = RunFiles(directory)
    journal = files.telemetry_journal
    if files.telemetry.exists():
        table = _opened(files.telemetry)
        made_of = (table.schema.metadata or {}).get(JOURNAL_KEY)
        if not journal.exists() or (made_of is not None and made_of == fingerprint(journal)):
            return table
    if not journal.exists():
        return None
    schema = _schema(journal)
    groups = [_table(ticks, schema) for ticks in _groups(read_ticks(journal))]
    return pa.concat_tables(groups) if groups else schema.empty_table()


def _schema(journal: Path) -> pa.Schema:
    names: dict[str, None] = {}
    for tick in read_ticks(journal):
        if not names.keys() >= tick.values.keys():
            names.update(dict.fromkeys(tick.values))
    return pa.schema([pa.field(AT, pa.int64(), nullable=False), *(pa.field(name, pa.float64()) for name in names)])


def _groups(ticks: Iterator[Tick]) -> Iterator[list[Tick]]:
    while group := list(islice(ticks, TICKS_PER_GROUP)):
        yield group


def _table(ticks: Sequence[Tick], schema: pa.Schema) -> pa.Table:
    times = pa.array([tick.at_ns for tick in ticks], pa.int64())
    columns = [pa.array([tick.values.get(name) for tick in ticks], pa.float64()) for name in schema.names[1:]]
    return pa.Table.from_arrays([times, *columns], schema=schema)


def _opened(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}.") from error
