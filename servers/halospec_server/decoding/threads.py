"""How many threads a pass uses that several requests share."""

from __future__ import annotations

from collections.abc import Iterable


def fewest(wishes: Iterable[int | None]) -> int | None:
    """Return the fewest threads that anyone asked for; None where nobody did."""
    return min((wish for wish in wishes if wish is not None), default=None)
