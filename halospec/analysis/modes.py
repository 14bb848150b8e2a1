"""How modes are told apart and put in order."""

from __future__ import annotations

import re
from collections.abc import Iterable

NO_SPECULATION = "fixed_0"
"""The mode that every other one is measured against: plain decoding."""

_FIXED = re.compile(r"fixed_(\d{1,9})(?P<settings>@.*)?", re.ASCII | re.DOTALL)


def fixed_length(mode: str) -> int | None:
    """Return the k of a mode ``fixed_K``; ``None`` for every other one.

    ``fixed_4@threads=1`` is none: what others are held against, such as the best fixed k, runs with the server's own
    threads. With others it is one more mode that has to show what it brings.
    """
    match = _FIXED.fullmatch(mode)
    return int(match[1]) if match and not match["settings"] else None


def adapts(mode: str) -> bool:
    """Tell whether a mode may change k: it is no ``fixed_K``, with whatever threads."""
    return _FIXED.fullmatch(mode) is None


def in_order(modes: Iterable[str]) -> tuple[str, ...]:
    """Return each mode once: the fixed ones by k, those with settings of their own after them, then others by name.

    The order in which modes ran is random by design and says nothing.
    """

    def key(mode: str) -> tuple[int, int, str]:
        match = _FIXED.fullmatch(mode)
        if match is None:
            return (2, 0, mode)
        return (1 if match["settings"] else 0, int(match[1]), mode)

    return tuple(sorted(set(modes), key=key))


def reference_among(modes: Iterable[str], asked: str | None = None) -> str | None:
    """Return the mode that others are compared with: the one asked for, else ``fixed_0``, else the first.

    ``None`` where there is no such mode.
    """
    ordered = in_order(modes)
    if asked is not None:
        return asked if asked in ordered else None
    if NO_SPECULATION in ordered:
        return NO_SPECULATION
    return ordered[0] if ordered else None
