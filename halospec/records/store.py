"""The files of a run directory, and the journals among them, which grow by a line a request."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from halospec.records.schema import RequestRecord

Line = TypeVar("Line", bound=BaseModel)

_PIECE = 65_536
_NO_SUCH_CALL = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
"""What file systems answer that cannot sync a directory."""


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
    def plan(self) -> Path:
        """What was to run: all that is needed to go on with it."""
        return self.directory / "plan.json"

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
    def decisions(self) -> Path:
        """What rules chose and why, where they say so."""
        return self.directory / "decisions.jsonl"

    @property
    def telemetry_journal(self) -> Path:
        """What was read off the machine, a line each time; absent where telemetry was off."""
        return self.directory / "telemetry.jsonl"

    @property
    def telemetry(self) -> Path:
        """The same as a table, written when the run ends."""
        return self.directory / "telemetry.parquet"

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
    whole record and cut off where it is a fragment, so that the next record starts a line of its own. A new one is in
    its directory for good before the first record is written.

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
            is_new = not path.exists()
            self._file = io.FileIO(path, "a+")
            if is_new:
                _sync_directory(path.parent)
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
    if not file.exists():
        raise StoreError(f"{file} does not exist; give a run directory or its records.jsonl.")
    return Journal(tuple(read_lines(file, RequestRecord)), torn=_is_torn(file))


def read_lines(path: Path, kind: type[Line]) -> Iterator[Line]:
    """Yield what the lines of a journal of any kind hold, one by one; nothing where there is no file.

    Raises
    ------
    StoreError
        If the file cannot be read, or a line other than a torn last one is not of that kind.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n") or not _is_fragment(line):
                    yield _parsed(line, kind, path, number)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot("read", path, error) from error


def mend_journal(path: Path) -> None:
    """Have a journal end with a whole line: a torn last one is cut off. Nothing where there is no file."""
    if path.exists():
        RecordJournal(path).close()


def mark_void(path: Path, lines: Collection[int]) -> None:
    """Mark the records on these lines, which count from 1, as void; all others stay as they are, byte for byte.

    The file is replaced in one step, so a process that is killed meanwhile leaves it as it was.
    """
    try:
        with path.open("rb") as file:
            content = b"".join(_voided(line) if n in lines else line for n, line in enumerate(file, start=1))
    except OSError as error:
        raise _cannot("read", path, error) from error
    write_whole(path, content)


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
        _sync_directory(path.parent)
    except OSError as error:
        # The first failure is the one to tell; if not even the temporary file can go, it is only litter.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _cannot("write", path, error) from error


def first_reason(error: ValidationError) -> str:
    """Say what is wrong with a file, without the places that a parser counts in a piece of it."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].partition(" at line ")[0]
    return f"{where}: {message}" if where else message


def _cannot(verb: str, path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(f"Cannot {verb} {path}: {reason}.")


def _write_all(file: io.FileIO, line: bytes) -> None:
    written = file.write(line)
    if written != len(line):
        raise OSError(f"only {written} of {len(line)} bytes were written; the disk may be full")


def _sync_directory(directory: Path) -> None:
    """Wait until a directory's entries are on the disk, where system and file system know how to."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    finally:
        os.close(descriptor)


def _mend_last_line(file: io.FileIO) -> None:
    last = _unfinished_line(file)
    if not last:
        return
    if _is_fragment(last):
        file.truncate(os.fstat(file.fileno()).st_size - len(last))
    else:
        file.write(b"\n")


def _is_torn(path: Path) -> bool:
    try:
        with io.FileIO(path) as file:
            last = _unfinished_line(file)
    except OSError as error:
        raise _cannot("read", path, error) from error
    return bool(last) and _is_fragment(last)


def _unfinished_line(file: io.FileIO) -> bytes:
    """Return what stands behind the last newline, read from the end: a journal may be large."""
    begin = file.seek(0, os.SEEK_END)
    tail = b""
    while begin and b"\n" not in tail:
        end, begin = begin, max(0, begin - _PIECE)
        file.seek(begin)
        tail = file.read(end - begin) + tail
    return tail.rpartition(b"\n")[2]


def _is_fragment(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def _voided(line: bytes) -> bytes:
    """Return a record's line with ``void`` set and nothing else changed."""
    wanted = RequestRecord.model_validate_json(line).model_copy(update={"void": True})
    places = re.finditer(rb'"void"\s*:\s*(?:false|true)', line)
    changed = (line[: place.start()] + b'"void":true' + line[place.end() :] for place in places)
    # A field that is not of the schema may hold an object with a field of this name.
    right = (candidate for candidate in changed if RequestRecord.model_validate_json(candidate) == wanted)
    return next(right, b'{"void":true,' + line.lstrip()[1:])


def _parsed(line: bytes, kind: type[Line], file: Path, number: int) -> Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise StoreError(f"{file}, line {number} is not a record: {first_reason(error)}.") from error
