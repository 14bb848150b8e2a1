"""Writing ``telemetry.jsonl``: about every second in one piece, which costs a measured server as little as it can."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path

from halospec.records.store import StoreError, mend_journal
from halospec.records.ticks import Tick, tick_line

WRITTEN_EVERY_NS = 1_000_000_000
"""Ticks that are further apart are written one by one."""


class TickJournal:
    """Appends ticks to a file of JSON lines; the last second or so may be lost with a killed process.

    Lines are handed to the system and not waited for until they are on the disk: that would disturb what is measured.
    An existing journal is continued; a torn last line is cut off first.

    Raises
    ------
    StoreError
        If the file cannot be opened or written. After a failed write the file holds whole lines only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._since_ns: int | None = None
        # A thread that a driver kept may come back after the run has closed this.
        self._lock = threading.Lock()
        mend_journal(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: io.FileIO | None = io.FileIO(path, "a")
        except OSError as error:
            raise StoreError(f"Cannot open {path}: {error.strerror or error}.") from error

    def add(self, tick: Tick) -> None:
        """Take in a tick; what was taken in is written where the last time was a second ago."""
        with self._lock:
            if self._since_ns is None:
                self._since_ns = tick.at_ns
            self._lines.append(tick_line(tick))
            if tick.at_ns - self._since_ns >= WRITTEN_EVERY_NS:
                self._since_ns = tick.at_ns
                self._write()

    def close(self) -> None:
        """Write what is left and close the file; closing twice does nothing."""
        with self._lock:
            if self._file is None:
                return
            try:
                self._write()
            finally:
                self._file.close()
                self._file = None

    def _write(self) -> None:
        piece, self._lines = b"".join(self._lines), []
        if not piece:
            return
        if self._file is None:
            raise StoreError(f"{self._path} is closed; no reading can be added.")
        size = os.fstat(self._file.fileno()).st_size
        try:
            _write_all(self._file, piece)
        except OSError as error:
            # Should this fail too, the fragment is a torn last line, which readers drop.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), size)
            raise StoreError(f"Cannot write {self._path}: {error.strerror or error}.") from error


def _write_all(file: io.FileIO, piece: bytes) -> None:
    written = file.write(piece)
    if written != len(piece):
        raise OSError(f"only {written} of {len(piece)} bytes were written; the disk may be full")
