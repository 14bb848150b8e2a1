"""What the numbers of a profile must keep to."""

from __future__ import annotations

import math

SHORTEST_S = 0.1
"""Of a stretch at one level: levels are set about ten times a second, so none that is shorter could be carried out."""


def require_stretch(what: str, seconds: float) -> None:
    """Raise a ``ValueError`` unless this is how long a stretch of a profile can be."""
    if not (seconds >= SHORTEST_S and math.isfinite(seconds)):
        raise ValueError(f"{what} must be at least {SHORTEST_S:g} s, not {seconds:g} s.")


def require_level(what: str, percent: float) -> None:
    """Raise a ``ValueError`` unless this is a percentage of a load's amount."""
    if not 0 <= percent <= 100:
        raise ValueError(f"{what} must lie between 0 and 100 % of the load's amount, not at {percent:g} %.")
