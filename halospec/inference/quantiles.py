"""Percentiles between order statistics, without any assumption on the shape of the distribution."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from halospec.inference.types import CONFIDENCE, Quantile


def quantile(values: npt.ArrayLike, percentile: float, *, confidence: float = CONFIDENCE) -> Quantile:
    """Return a percentile (in percent, e.g. 95) of independent values by nearest rank, with its interval.

    The number of values below the true percentile is binomial; each end is the order statistic beyond which it lies
    with probability (1 - confidence) / 2 at most (David & Nagaraja 2003, Order Statistics, 7.1). Both ends have to be
    values of the sample: for the 95th percentile at 95 % that takes 72 values (the largest lies above it with
    probability 1 - 0.95^n, and 59 would do for an upper bound alone), for the median 6, for the 99th percentile 368.

    Raises
    ------
    ValueError
        If the percentile is not between 0 and 100.
    """
    if not 0 < percentile < 100:
        raise ValueError(f"A percentile lies between 0 and 100, and {percentile:g} does not.")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    size, share, tail = len(ordered), percentile / 100, (1 - confidence) / 2
    needed = values_needed(percentile, confidence=confidence)
    if size < needed:
        return Quantile(percentile, None, None, None, size, needed)
    ranks = np.arange(1, size + 1)
    # That the percentile lies below the value of a rank: fewer than so many values are below it.
    below = special.bdtr(ranks - 1, size, share)
    low = int(ranks[below <= tail][-1])
    high = int(ranks[1 - below <= tail][0])
    # A hundredth of a percent more exactly than floating point gives it: 0.07 * 100 is above 7.
    rank = max(1, math.ceil(round(share * size, 9)))
    return Quantile(
        percentile, float(ordered[rank - 1]), float(ordered[low - 1]), float(ordered[high - 1]), size, needed
    )


def values_needed(percentile: float, *, confidence: float = CONFIDENCE) -> int:
    """Return the sample size from which a percentile has a two-sided interval with both ends in the sample."""
    rarer = min(percentile, 100 - percentile) / 100
    return math.ceil(math.log((1 - confidence) / 2) / math.log1p(-rarer))
