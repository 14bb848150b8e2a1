"""The files of a run directory: the journal that grows by a line a request, and what is made from it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, TracebackType, UnionType
from typing import Any, Self, Union, get_args, get_origin

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from halospec.records.placebo import MEANING, STAMP, is_placebo
from halospec.records.schema import RequestRecord


class StoreError(Exception):
    """A file of a run that cannot be read or written; the message is one sentence for the user."""


@dataclass(frozen=True)
class RunFiles:
    """Where things lie in a run directory."""

    directory: Path

    @property
    def manifest(self) -> Path:
        """What ran, where, with which versions."""
        return self.directory / "manifest.json"

    @property
    def records(self) -> Path:
        """The journal: one request a line, in the order in which they ended."""
        return self.directory / "records.jsonl"

    @property
    def parquet(self) -> Path:
        """The journal as a table, written when the run ends."""
        return self.directory / "records.parquet"

    @property
    def summary(self) -> Path:
        """The statistics of the run."""
        return self.directory / "summary.json"

    @property
    def load(self) -> Path:
        """What the load injector measured of itself."""
        return self.directory / "load.jsonl"

    @property
    def switches(self) -> Path:
        """When the server was loaded or started anew for another draft length."""
        return self.directory / "switches.jsonl"

    @property
    def server_log(self) -> Path:
        """The output of a server that was started for this run."""
        return self.directory / "server.log"

    @property
    def charts(self) -> Path:
        """The folder of charts."""
        return self.directory / "charts"


@dataclass(frozen=True)
class Journal:
    """The records of a run.

    Attributes
    ----------
    torn
        Whether the last line was cut short (the run was killed while writing it) and is left out.
    """

    records: tuple[RequestRecord, ...]
    torn: bool


class RecordJournal:
    """Appends records to a file of JSON lines; what has been appended survives a killed process.

    An existing journal is continued. If its last line lacks its newline, the line is terminated where it is a
    whole record and cut off where it is a fragment, so that the next record starts a line of its own.

    Raises
    ------
    StoreError
        If the file cannot be opened or written. After a failed append the file holds whole records only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = io.FileIO(path, "a+")
            _mend_last_line(self._file)
        except OSError as error:
            self.close()
            raise _cannot("open", path, error) from error

    def append(self, record: BaseModel) -> None:
        """Write one record as one line and wait until it is on the disk."""
        if self._file is None:
            raise StoreError(f"{self._path} is closed; no record can be added.")
        line = record.model_dump_json().encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            _write_all(self._file, line)
            os.fsync(self._file.fileno())
        except OSError as error:
            # Should this fail too, the fragment is a torn last line, which readers drop.
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise _cannot("write", self._path, error) from error

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_records(path: Path) -> Journal:
    """Read a run directory's journal, or a ``records.jsonl`` itself.

    Raises
    ------
    StoreError
        If there is no journal, or a line other than a torn last one is not a record.
    """
    file = RunFiles(path).records if path.is_dir() else path
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{file} does not exist; give a run directory or its records.jsonl.") from error
    except OSError as error:
        raise _cannot("read", file, error) from error
    *lines, rest = content.split(b"\n")
    records = [_record(line, file, number) for number, line in enumerate(lines, start=1)]
    if not rest:
        return Journal(tuple(records), torn=False)
    if _is_fragment(rest):
        return Journal(tuple(records), torn=True)
    return Journal((*records, _record(rest, file, len(lines) + 1)), torn=False)


def write_parquet(records: Iterable[RequestRecord], path: Path) -> None:
    """Write the records as one Parquet table; the file appears whole or not at all.

    Columns are the fields of :class:`RequestRecord`; ``round_log`` is a list of structs. Fields beyond the schema
    stand as JSON text in a column ``extra``. The file of a placebo run bears the stamp among its metadata too, which a
    reader sees whichever columns it asks for.
    """
    rows = tuple(records)
    table = _arrow_table(rows)
    if is_placebo(rows):
        table = table.replace_schema_metadata({STAMP: MEANING})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_whole(path, buffer.getvalue())


def read_frame(run_dir: Path) -> pd.DataFrame:
    """Read the journal as a frame: one row a record, columns named as in the schema, missing values as NA."""
    frame: pd.DataFrame = _arrow_table(read_records(run_dir).records).to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype()}.get
    )
    return frame


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader finds the old content or the new, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # The first failure is the one to tell; if not even the temporary file can go, it is only litter.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _cannot("write", path, error) from error


def _cannot(verb: str, path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(f"Cannot {verb} {path}: {reason}.")


def _write_all(file: io.FileIO, line: bytes) -> None:
    written = file.write(line)
    if written != len(line):
        raise OSError(f"only {written} of {len(line)} bytes were written; the disk may be full")


def _mend_last_line(file: io.FileIO) -> None:
    file.seek(0)
    content = file.readall()
    last = content.rpartition(b"\n")[2]
    if not last:
        return
    if _is_fragment(last):
        file.truncate(len(content) - len(last))
    else:
        file.write(b"\n")


def _is_fragment(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def _record(line: bytes, file: Path, number: int) -> RequestRecord:
    try:
        return RequestRecord.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise StoreError(f"{file}, line {number} is not a record: {reason}.") from error


def _arrow_table(records: Iterable[RequestRecord]) -> pa.Table:
    rows = list(records)
    columns = {
        name: pa.array([_plain(getattr(row, name)) for row in rows], type=_arrow_type(field.annotation))
        for name, field in RequestRecord.model_fields.items()
    }
    if any(row.model_extra for row in rows):
        extra = [json.dumps(row.model_extra) if row.model_extra else None for row in rows]
        columns["extra"] = pa.array(extra, type=pa.string())
    return pa.table(columns)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, BaseModel):
        return value.model_dump()
    return value


_SCALARS: dict[object, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}


def _arrow_type(annotation: Any) -> pa.DataType:  # an annotation has no narrower type
    """Return the column type of a field, so that the schema is written once, in :mod:`halospec.records.schema`."""
    if get_origin(annotation) in (Union, UnionType):
        (inner,) = (part for part in get_args(annotation) if part is not NoneType)
        return _arrow_type(inner)
    if get_origin(annotation) is tuple:
        return pa.list_(_arrow_type(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return pa.string()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return pa.struct([(name, _arrow_type(field.annotation)) for name, field in fields])
    return _SCALARS[annotation]
