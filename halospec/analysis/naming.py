"""Modes and phases as they are named in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from halospec.analysis.modes import fixed_length
from halospec.analysis.printable import printable

_LIMIT = 64
_BREAKS = re.compile(r"(?=@)|(?<=[:_=+])")
_NAMED_ONE_BY_ONE = 3


def named(mode: str) -> str:
    """Return a mode's name, fit to be shown."""
    return printable(mode, limit=_LIMIT)


def folded(mode: str, width: int) -> str:
    """Return a mode's name in lines of this width, each setting in lines of its own: names may differ in one alone."""
    lines = [""]
    for piece in _BREAKS.split(named(mode)):
        if lines[-1] and (piece.startswith("@") or len(lines[-1]) + len(piece) > width):
            lines.append("")
        lines[-1] += piece
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(lines)


def listed(modes: Sequence[str]) -> str:
    """Name one mode or more: ``fixed_1 to fixed_6 and adaptive``."""
    return joined(shortened(modes))


def shortened(modes: Sequence[str]) -> list[str]:
    """Name modes in the order given; of four and more fixed ones whose k follow each other, the first and the last."""
    lengths = [fixed_length(mode) for mode in modes]
    parts: list[str] = []
    start = 0
    for place in range(1, len(modes) + 1):
        before = lengths[place - 1]
        if place < len(modes) and before is not None and lengths[place] == before + 1:
            continue
        run = [named(mode) for mode in modes[start:place]]
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > _NAMED_ONE_BY_ONE else run
        start = place
    return parts


def joined(parts: Iterable[str]) -> str:
    """Return one text or more as ``a, b and c``."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
