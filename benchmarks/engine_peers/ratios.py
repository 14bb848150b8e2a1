"""Paired ratios: two systems in the same repetition, and how sure their median is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine_peers.plan import Cell
from engine_peers.records import Measurement

CONFIDENCE = 0.9
Value = Callable[[Measurement], float]


@dataclass(frozen=True)
class Median:
    """A median and the order statistics around it that hold it with at least `CONFIDENCE`, whatever the distribution.

    Attributes
    ----------
    low, high
        None where there are too few values for that.
    """

    value: float
    low: float | None
    high: float | None
    n: int


def median_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Median:
    """Return the median with its interval: the narrowest symmetric pair of order statistics that is sure enough.

    Each value lies on either side of the true median with equal chance, so that the count below it is binomial
    (David and Nagaraja, Order Statistics, 7.1).

    Raises
    ------
    ValueError
        If there are no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values have no median")
    ordered = sorted(values)
    middle = statistics.median(ordered)
    for i in range((n - 1) // 2, -1, -1):
        outside = 2 * sum(math.comb(n, j) for j in range(i + 1)) / 2**n
        if 1 - outside >= confidence:
            return Median(middle, ordered[i], ordered[n - 1 - i], n)
    return Median(middle, None, None, n)


def cell_of(measurement: Measurement) -> Cell:
    """Return where a measurement belongs."""
    return Cell(measurement.system, measurement.draft_length, measurement.clients)


def last_attempts(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Return what counts: of each cell and repetition the attempt that was not repeated."""
    last: dict[tuple[int, Cell], Measurement] = {}
    for measurement in sorted(measurements, key=lambda m: m.attempt):
        last[measurement.repetition, cell_of(measurement)] = measurement
    return list(last.values())


@dataclass(frozen=True)
class Measured:
    """Measurements by cell, one a repetition."""

    measurements: Sequence[Measurement]

    def of(self, cell: Cell) -> list[Measurement]:
        """Return a cell's, in the order of their repetitions."""
        found = [m for m in self.measurements if cell_of(m) == cell]
        return sorted(found, key=lambda m: m.repetition)

    def median(self, cell: Cell, value: Value) -> Median | None:
        """Return a cell's median, if it was measured."""
        values = [value(m) for m in self.of(cell)]
        return median_of(values) if values else None

    def ratio(self, cell: Cell, to: Cell, value: Value) -> Median | None:
        """Return the median of the ratios within repetitions, if both cells share any."""
        denominators = {m.repetition: value(m) for m in self.of(to)}
        ratios = [value(m) / denominators[m.repetition] for m in self.of(cell) if m.repetition in denominators]
        return median_of(ratios) if ratios else None
