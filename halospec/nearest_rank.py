"""The percentile that is one of the values, as the original computed it."""

from __future__ import annotations

from collections.abc import Sequence


def nearest_rank(values: Sequence[float], percent: int) -> float:
    """Return the value at rank ``ceil(percent / 100 * n)`` of the sorted values, counted from 1.

    Whole percents, so that the rank is exact: in floating point ``ceil(0.07 * 100)`` is 8.
    """
    rank = -(-percent * len(values) // 100)
    return sorted(values)[max(rank, 1) - 1]
