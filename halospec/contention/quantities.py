"""How amounts, times and sizes are written: read generously, written one way."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([A-Za-z%/]*)\s*", re.ASCII)


class Misspelt(ValueError):
    """A value that cannot be read; the message says what it should be, as the end of a sentence."""


@dataclass(frozen=True)
class Quantity:
    """What a number with a unit can stand for.

    Attributes
    ----------
    should_be
        With examples, as it stands behind "it should be".
    unit
        That it is written in.
    scales
        What one of each unit that is read comes to in ``unit``.
    """

    should_be: str
    unit: str
    scales: Mapping[str, Decimal]

    def read(self, text: str) -> float:
        """Return the number, in ``unit``.

        Raises
        ------
        Misspelt
            If it is none.
        """
        written = _NUMBER_AND_UNIT.fullmatch(text)
        scale = self.scales.get(written[2]) if written else None
        if written is None or scale is None:
            raise Misspelt(f"it should be {self.should_be}")
        # Decimals, so that 300 MB are read as exactly the number that 0.3 GB are.
        value = float(Decimal(written[1]) * scale)
        if not math.isfinite(value):
            raise Misspelt(f"it should be {self.should_be}")
        return value

    def written(self, value: float) -> str:
        """Return the shortest text that is read as this number."""
        return f"{repr(float(value)).removesuffix('.0')}{self.unit}"


def _bytes_in(unit: str, ending: str = "") -> dict[str, Decimal]:
    """Return the scales of sizes; ``mb`` is taken for MB, but Mb, which are megabits, are none."""
    sizes = {"B": Decimal(1), "KB": Decimal(1000)}
    for power, letter in enumerate("kMGT", start=1):
        for name, factor in ((f"{letter}B", 1000), (f"{letter}iB", 1024)):
            sizes[name] = sizes[name.lower()] = Decimal(factor) ** power
    return {f"{name}{ending}": size / sizes[unit] for name, size in sizes.items()}


def _rates_in(unit: str) -> dict[str, Decimal]:
    return _bytes_in(unit, "/s") | _bytes_in(unit, "ps")


PERCENT = Quantity("a percentage, such as 75%", "%", {"%": Decimal(1)})
SECONDS = Quantity(
    "a time, such as 2s, 500ms or 1m",
    "s",
    {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "min": Decimal(60), "h": Decimal(3600)},
)
MEGABYTES = Quantity("a size, such as 256MB, 1GB or 64MiB", "MB", _bytes_in("MB"))
MEGABYTES_PER_S = Quantity("a rate, such as 50MB/s or 1GB/s", "MB/s", _rates_in("MB"))
GIGABYTES_PER_S = Quantity("a rate, such as 4GB/s or 500MB/s", "GB/s", _rates_in("GB"))
