"""``telemetry.jsonl``: what was read off the machine at one moment, a line each."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from halospec.records.store import StoreError

AT = "at_ns"
_TAIL_BYTES = 2**20
_END_OF_TIME_NS = 2**63


@dataclass(frozen=True)
class Tick:
    """What was read at one moment.

    Attributes
    ----------
    at_ns
        On the run's clock.
    values
        By column, ``source.name``; what was not read is not there.
    """

    at_ns: int
    values: Mapping[str, float]


def tick_line(tick: Tick) -> bytes:
    """Return a tick's line; a value that is no finite number is left out."""
    finite = {name: value for name, value in tick.values.items() if math.isfinite(value)}
    return json.dumps({AT: tick.at_ns, **finite}, separators=(",", ":")).encode() + b"\n"


def read_ticks(journal: Path) -> Iterator[Tick]:
    """Yield the ticks of a journal, one by one, without a torn last one; nothing where there is no file.

    Raises
    ------
    StoreError
        If the file cannot be read, or a line other than a torn last one is no tick.
    """
    try:
        with journal.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _tick_in(line)
                except ValueError as problem:
                    if not line.endswith(b"\n"):
                        return
                    raise StoreError(f"{journal}, line {number} is not a reading: {problem}.") from problem
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"Cannot read {journal}: {error.strerror or error}.") from error


def last_tick_ns(journal: Path) -> int:
    """Return when the last tick was, read from the journal's end; 0 where there is none.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    try:
        with journal.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"Cannot read {journal}: {error.strerror or error}.") from error
    for line in reversed(tail.splitlines()):
        try:
            return _tick_in(line).at_ns
        except ValueError:
            # Torn, or cut by where we began to read; a line before or behind it is whole.
            continue
    return 0


def _tick_in(line: bytes) -> Tick:
    try:
        read = _DECODER.decode(line.decode())
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem
    if not isinstance(read, dict):
        raise ValueError("it is no object")  # noqa: TRY004  (of the file's content, not of a caller's argument)
    at_ns = read.pop(AT, None)
    if type(at_ns) is not int or not 0 <= at_ns < _END_OF_TIME_NS:
        raise ValueError(f"it has no {AT}")
    if not all(type(value) in (int, float) for value in read.values()):
        raise ValueError("a value is no number")
    try:
        return Tick(at_ns, {name: float(value) for name, value in read.items()})
    except OverflowError as problem:
        raise ValueError("a number is too large") from problem


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
