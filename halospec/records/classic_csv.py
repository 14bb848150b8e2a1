"""The original tool's CSV: one measured request a row, the fields that it knew, whole milliseconds.

It has no column for a placebo run, and whatever tool reads the file next knows nothing of one: so the stamp stands in
front of the mode's name (``PLACEBO:fixed_2``), and reading takes it off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from halospec.records.placebo import STAMP
from halospec.records.schema import Phase, RequestRecord
from halospec.records.store import StoreError

HEADER = ("global_step", "step", "mode", "phase", "draft_length", "success", "latency_ms", "tokens")

_MAX_DIGITS = 18  # fits 64 bits, as every reader of the file will assume

_PLACEBO_PREFIX = f"{STAMP}:"

# A spreadsheet takes a cell that starts with one of these for a formula, and a leading apostrophe for "this is text".
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class ClassicRow:
    """One row.

    Attributes
    ----------
    draft_length
        ``None`` (an empty cell) where a rule inside the server chose k; the original always knew it.
    latency_ms
        The original logged failures as 0 ms, so 0 is possible here and nowhere else.
    tokens
        0 means unknown.
    placebo
        Whether the run went on although the server ignores the draft length.
    """

    global_step: int
    step: int
    mode: str
    phase: Phase
    draft_length: int | None
    success: bool
    latency_ms: int
    tokens: int
    placebo: bool = False


@dataclass(frozen=True)
class ClassicRun:
    """The rows of one run; its first one stands in line ``first_line`` of the file."""

    first_line: int
    rows: tuple[ClassicRow, ...]


def classic_row(record: RequestRecord) -> ClassicRow:
    """Return what the original would have logged of a request; a real latency never becomes 0 ms."""
    return ClassicRow(
        global_step=record.global_step,
        step=record.step,
        mode=record.mode,
        phase=record.phase,
        draft_length=record.draft_length,
        success=record.success,
        latency_ms=max(1, int(record.latency_ms)),
        tokens=record.completion_tokens or 0,
        placebo=record.placebo,
    )


def write_classic_csv(records: Iterable[RequestRecord], file: TextIO) -> None:
    """Write the measured requests in the order of ``global_step``; warm-up and void requests are left out."""
    measured = (record for record in records if not (record.is_warmup or record.void))
    file.write(_line(HEADER))
    for record in sorted(measured, key=lambda record: record.global_step):
        file.write(_line(_cells(classic_row(record))))


def looks_like_classic_csv(path: Path) -> bool:
    """Whether a file is meant to be such a CSV: by its first bytes, or where those say nothing by its name."""
    if not path.is_file():
        return path.suffix.lower() == ".csv"
    with path.open("rb") as file:
        start = file.read(64)
    return start.lstrip(b"\xef\xbb\xbf").startswith(HEADER[0].encode()) or (
        path.suffix.lower() == ".csv" and not start.startswith(b"{")
    )


def read_classic_csv(path: Path) -> tuple[ClassicRun, ...]:
    """Read such a file; where ``global_step`` does not increase, another run begins.

    Raises
    ------
    StoreError
        If the file is empty, has another header, or a cell that does not fit its column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            numbered_rows = _read_rows(file, path)
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist; give a run directory or a CSV of the original tool.") from error
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}.") from error
    return _split_runs(numbered_rows)


def _read_rows(file: TextIO, path: Path) -> list[tuple[int, ClassicRow]]:
    reader = csv.reader(file)
    rows = []
    try:
        header = next(reader, None)
        if header is None:
            raise StoreError(f"{path} is empty; expected the header {','.join(HEADER)}.")
        if tuple(header) != HEADER:
            raise StoreError(f"{path}, line 1: the header is not {','.join(HEADER)}.")
        start = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append((start, _parse_row(cells, f"{path}, line {start}")))
            start = reader.line_num + 1
    except csv.Error as error:
        raise StoreError(f"{path}, line {reader.line_num}: {error}.") from error
    if not rows:
        raise StoreError(f"{path} has a header and no rows; there is nothing to read.")
    return rows


def _split_runs(numbered_rows: list[tuple[int, ClassicRow]]) -> tuple[ClassicRun, ...]:
    runs: list[tuple[int, list[ClassicRow]]] = []
    for line, row in numbered_rows:
        if runs and row.global_step > runs[-1][1][-1].global_step:
            runs[-1][1].append(row)
        else:
            runs.append((line, [row]))
    return tuple(ClassicRun(line, tuple(rows)) for line, rows in runs)


def _parse_row(cells: list[str], where: str) -> ClassicRow:
    if len(cells) != len(HEADER):
        raise StoreError(f"{where}: {len(cells)} cells where {len(HEADER)} are expected.")
    global_step, step, name, phase, draft_length, success, latency_ms, tokens = cells
    mode, placebo = _mode_and_stamp(name)
    return ClassicRow(
        global_step=_whole(global_step, "global_step", where),
        step=_whole(step, "step", where),
        mode=mode,
        phase=_phase(phase, where),
        draft_length=_whole(draft_length, "draft_length", where) if draft_length else None,
        success=_truth(success, where),
        latency_ms=_whole(latency_ms, "latency_ms", where),
        tokens=_whole(tokens, "tokens", where),
        placebo=placebo,
    )


def _whole(cell: str, column: str, where: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= _MAX_DIGITS):
        raise StoreError(f"{where}: {column} is {cell[:40]!r}, not a whole number of at least 0.")
    return int(cell)


def _phase(cell: str, where: str) -> Phase:
    try:
        return Phase(cell)
    except ValueError as error:
        raise StoreError(f"{where}: phase is {cell[:40]!r}, not one of {', '.join(Phase)}.") from error


def _truth(cell: str, where: str) -> bool:
    # A spreadsheet or pandas that saved the file again writes TRUE or True.
    known = {"true": True, "false": False}
    if cell.lower() not in known:
        raise StoreError(f"{where}: success is {cell[:40]!r}, not true or false.")
    return known[cell.lower()]


def _cells(row: ClassicRow) -> tuple[str, ...]:
    return (
        str(row.global_step),
        str(row.step),
        _stamped_mode(row),
        row.phase.value,
        "" if row.draft_length is None else str(row.draft_length),
        "true" if row.success else "false",
        str(row.latency_ms),
        str(row.tokens),
    )


def _line(values: Iterable[str]) -> str:
    # With "\n" as its terminator the writer would leave a lone "\r" unquoted (before Python 3.13).
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerow(values)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _stamped_mode(row: ClassicRow) -> str:
    if row.placebo:
        return _PLACEBO_PREFIX + row.mode
    return f"'{row.mode}" if _needs_apostrophe(row.mode) else row.mode


def _mode_and_stamp(cell: str) -> tuple[str, bool]:
    if cell.startswith(_PLACEBO_PREFIX):
        return cell.removeprefix(_PLACEBO_PREFIX), True
    return (cell[1:] if cell.startswith("'") and _needs_apostrophe(cell) else cell), False


def _needs_apostrophe(text: str) -> bool:
    # A mode whose own name begins like the stamp is no placebo. Apostrophes are skipped so that export and reading are
    # each other's inverse for every text.
    return text.lstrip("'").startswith((*_FORMULA_STARTS, _PLACEBO_PREFIX))
