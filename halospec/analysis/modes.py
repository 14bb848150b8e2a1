"""How modes are told apart and put in order."""

from __future__ import annotations

import re
from collections.abc import Iterable

NO_SPECULATION = "fixed_0"
"""The mode that every other one is measured against: plain decoding."""

_FIXED = re.compile(r"fixed_(\d{1,9})", re.ASCII)


def fixed_length(mode: str) -> int | None:
    """Return the k of a mode ``fixed_K``; ``None`` for a mode that adapts."""
    match = _FIXED.fullmatch(mode)
    return int(match[1]) if match else None


def in_order(modes: Iterable[str]) -> tuple[str, ...]:
    """Return each mode once: the fixed ones by k, then the others by name.

    The order in which modes ran is random by design and says nothing.
    """

    def key(mode: str) -> tuple[bool, int, str]:
        k = fixed_length(mode)
        return (k is None, k or 0, mode)

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
