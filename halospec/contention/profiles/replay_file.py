"""A recorded course, read from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from halospec.analysis.printable import printable
from halospec.contention.profiles.replay import MOST_STEPS, Replay, Step

HEADER = ["seconds", "percent"]


def replay_from_file(path: Path) -> Replay:
    """Read the steps of a course: a header ``seconds,percent``, then a line each.

    Raises
    ------
    ValueError
        If it cannot be read or is no such file; the sentence names the line.
    """
    name = printable(str(path))
    if not path.is_file():
        raise ValueError(f"There is no file {name} to replay.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return Replay(tuple(_steps(file, name)))
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in UTF-8, as a course to replay must be.") from error
    except csv.Error as error:
        raise ValueError(f"{name} is no CSV file ({error}).") from error


def _steps(file: TextIO, name: str) -> Iterator[Step]:
    rows = csv.reader(file)
    header = [cell.strip().lower() for cell in next(rows, [])]
    if header != HEADER:
        raise ValueError(
            f"{name} must begin with the line {','.join(HEADER)}, not {printable(','.join(header), 60)!r}."
        )
    before_s = -1.0
    for count, row in enumerate((row for row in rows if any(cell.strip() for cell in row)), start=1):
        if count > MOST_STEPS:
            raise ValueError(f"{name} has more than {MOST_STEPS} steps; leave out those that change little.")
        step = _step(row, f"Line {rows.line_num} of {name}")
        if step.at_s <= before_s:
            raise ValueError(
                f"Line {rows.line_num} of {name} must come after the one before, "
                f"not at {step.at_s:g} s after {before_s:g} s."
            )
        before_s = step.at_s
        yield step


def _step(row: list[str], line: str) -> Step:
    try:
        seconds, percent = map(float, row)
    except ValueError:
        said = printable(",".join(row), 60)
        raise ValueError(f"{line} must be two numbers, seconds and percent, not {said!r}.") from None
    try:
        return Step(seconds, percent)
    except ValueError as error:
        raise ValueError(f"{line} cannot be replayed: {error}") from error
