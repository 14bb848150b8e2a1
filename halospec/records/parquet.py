"""``records.parquet``: the journal as a table, by columns, for the analysis and for other tools."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from types import NoneType, UnionType
from typing import IO, Any, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from halospec.records.placebo import MEANING, STAMP, is_placebo
from halospec.records.schema import SCHEMA_VERSION, RequestRecord
from halospec.records.store import RunFiles, StoreError

ROWS_PER_GROUP = 50_000
"""Records of which all columns are in memory at once while a file is written."""

ROUND_COLUMNS = ("k", "accepted", "limit", "threads", "draft_threads")
"""What is read of a round; tables from before there was such a column lack it."""

_VERSION_KEY = b"halospec.schema_version"
JOURNAL_KEY = b"halospec.journal"
_EXTRA = "extra"
_END_OF_JOURNAL = 64 * 1024

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_SCALARS: dict[object, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}
_NARROWER: dict[str, pa.DataType] = {
    **dict.fromkeys(("step", "global_step", "block", "draft_length", "attempts", "trial_attempt"), pa.int32()),
    **dict.fromkeys((f"round_log.{name}" for name in ("k", "accepted", "limit")), pa.int32()),
    **dict.fromkeys((f"round_log.{name}" for name in ("threads", "draft_threads", "sequences", "width")), pa.int32()),
    **dict.fromkeys(("mode", "prompt_id", "error", "finish_reason", "text_sha256", "knob", "trial_id"), _DICTIONARY),
}
"""Columns of which the annotation alone does not say how small they are, or how few different values they hold."""


def write_parquet(records: Iterable[RequestRecord], path: Path) -> None:
    """Write the records as one Parquet table, a group of rows at a time; the file appears whole or not at all.

    Columns are the fields of :class:`RequestRecord`; ``round_log`` is a list of structs. Fields beyond the schema
    stand as JSON text in a column ``extra``. The metadata say which journal in the same directory the table was made
    of; those of a placebo run bear the stamp too, which a reader sees whichever columns it asks for.

    Raises
    ------
    StoreError
        If the file cannot be written, or a number is too large for its column.
    """
    rows = tuple(records)
    schema = record_schema().with_metadata(_metadata(rows, path))
    if any(row.model_extra for row in rows):
        schema = schema.append(pa.field(_EXTRA, pa.string()))
    try:
        with replaced(path) as file, pq.ParquetWriter(file, schema) as writer:
            for start in range(0, len(rows), ROWS_PER_GROUP):
                writer.write_table(_table(rows[start : start + ROWS_PER_GROUP], schema))
    except (OverflowError, pa.ArrowInvalid) as error:
        raise StoreError(f"Cannot write {path}: a number in the records does not fit its column ({error}).") from error


def record_schema() -> pa.Schema:
    """Return the columns of the table: the fields of :class:`RequestRecord`, as narrow as they can safely be."""
    return pa.schema([(name, _column_type(name, of.annotation)) for name, of in RequestRecord.model_fields.items()])


class RecordTable:
    """A ``records.parquet``, read a column at a time.

    Raises
    ------
    StoreError
        If the file is not there, or not a table of records.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}.") from error
        self._metadata: dict[bytes, bytes] = self._file.schema_arrow.metadata or {}
        self._names = frozenset(self._file.schema_arrow.names)
        required = {name for name, field in RequestRecord.model_fields.items() if field.is_required()}
        if missing := sorted(required - self._names):
            raise StoreError(f"{path} is not a table of records: it has no column {missing[0]!r}.")
        if not self._logs_rounds():
            raise StoreError(f"{path} is not a table of records: round_log is not a list of rounds.")

    def __len__(self) -> int:
        rows: int = self._file.metadata.num_rows
        return rows

    def is_made_of(self, journal: Path) -> bool:
        """Whether the table holds what this journal holds now: same schema, same size, same end."""
        current = fingerprint(journal)
        return (
            self._metadata.get(_VERSION_KEY) == str(SCHEMA_VERSION).encode()
            and current is not None
            and self._metadata.get(JOURNAL_KEY) == current
        )

    def column(self, name: str) -> pa.ChunkedArray:
        """Read one column; all null where the file was made before there was such a field.

        Raises
        ------
        StoreError
            If the file is damaged there.
        """
        if name not in self._names:
            return pa.chunked_array([pa.nulls(len(self), pa.null())])
        with self._damage_told():
            return self._file.read([name], use_threads=False).column(0).unify_dictionaries()

    def round_logs(self) -> Iterator[pa.Table]:
        """Read the lists of rounds, some rows at a time: of each round the columns in ``ROUND_COLUMNS`` that there are.

        Raises
        ------
        StoreError
            If the file is damaged there.
        """
        schema = self._file.schema
        leaves = (schema.column(index).path for index in range(len(schema.names)))
        ends = tuple(f".{name}" for name in ROUND_COLUMNS)
        wanted = [leaf for leaf in leaves if leaf.startswith("round_log.") and leaf.endswith(ends)]
        with self._damage_told():
            yield from self._file.iter_batches(ROWS_PER_GROUP, columns=wanted, use_threads=False) if wanted else ()

    def _logs_rounds(self) -> bool:
        if "round_log" not in self._names:
            return True
        kind = self._file.schema_arrow.field("round_log").type
        if not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
            return False
        return {"k", "accepted"} <= {part.name for part in kind.value_type}

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{self._path} is damaged: {str(error).splitlines()[0]}.") from error


def _metadata(rows: Sequence[RequestRecord], path: Path) -> dict[bytes, bytes]:
    metadata = {_VERSION_KEY: str(SCHEMA_VERSION).encode()}
    if made_of := fingerprint(RunFiles(path.parent).records):
        metadata[JOURNAL_KEY] = made_of
    if is_placebo(rows):
        metadata[STAMP.encode()] = MEANING.encode()
    return metadata


def fingerprint(journal: Path) -> bytes | None:
    """Return what changes whenever a journal grows or its end is written anew; None if it is absent or ends in a tear.

    A torn line is in no table, so a table would hide that there was one.
    """
    try:
        with journal.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_OF_JOURNAL))
            end = file.read()
    except OSError:
        return None
    if end and not end.endswith(b"\n"):
        return None
    return f"{size} bytes, the last ones {hashlib.sha256(end).hexdigest()}".encode()


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of another in one step, when it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error.strerror or error}.") from error


def _table(rows: Sequence[RequestRecord], schema: pa.Schema) -> pa.Table:
    columns = [_array([getattr(row, name) for row in rows], schema.field(name).type) for name in _fields_of(schema)]
    if _EXTRA in schema.names:
        extra = [json.dumps(row.model_extra) if row.model_extra else None for row in rows]
        columns.append(pa.array(extra, type=pa.string()))
    return pa.Table.from_arrays(columns, schema=schema)


def _fields_of(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name in RequestRecord.model_fields]


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return the values as an array, lists of models as flat arrays and without a dictionary for each."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, type=kind.value_type).dictionary_encode()
    if not pa.types.is_list(kind):
        return pa.array(values, type=kind)
    flat = [item for value in values for item in value]
    ends = accumulate((len(value) for value in values), initial=0)
    offsets = pa.array(list(ends), type=pa.int32())
    if not pa.types.is_struct(kind.value_type):
        return pa.ListArray.from_arrays(offsets, pa.array(flat, type=kind.value_type), type=kind)
    parts = list(kind.value_type)
    arrays = [pa.array([getattr(item, part.name) for item in flat], type=part.type) for part in parts]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(arrays, fields=parts), type=kind)


def _column_type(name: str, annotation: Any) -> pa.DataType:  # an annotation has no narrower type
    """Return the column type of a field, so that the schema is written once, in :mod:`halospec.records.schema`."""
    if name in _NARROWER:
        return _NARROWER[name]
    if get_origin(annotation) in (Union, UnionType):
        (inner,) = (part for part in get_args(annotation) if part is not NoneType)
        return _column_type(name, inner)
    if get_origin(annotation) is tuple:
        return pa.list_(_column_type(f"{name}.", get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return _DICTIONARY
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return pa.struct([(part, _column_type(name + part, field.annotation)) for part, field in fields])
    return _SCALARS[annotation]
