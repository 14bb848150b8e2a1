"""What a load got, in words."""

from __future__ import annotations

from halospec.analysis.printable import printable
from halospec.records.loads import InjectedLoad

_LONGEST_NAME = 80


def spoken_load(load: InjectedLoad) -> str | None:
    """Return a load's name and what it got: ``memory:4GB/s got 3.9 GB/s``; None if it did not run."""
    if load.achieved is None:
        return None
    return f"{spoken_name(load.name)} got {spoken_amount(load.achieved)} {load.unit}"


def spoken_name(name: str) -> str:
    """Return a load's name, short enough for a sentence: that of a replay holds all of its values."""
    return printable(name, _LONGEST_NAME)


def spoken_amount(amount: float) -> str:
    """Return a number with as many decimals as mean something for a load: 71, 3.9, 0.04."""
    if amount >= 10:
        return f"{amount:.0f}"
    return f"{amount:.1f}" if amount >= 1 or amount == 0 else f"{amount:.2g}"
