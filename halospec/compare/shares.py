"""Shares of requests, such as attainment: their intervals, and the interval of one share relative to another.

A share has no logarithm in a block in which it is 0, and no spread over blocks where it is 1 in all of them; so shares
are not compared by the log ratios of blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from halospec.inference.proportions import wilson
from halospec.inference.types import Floats


@dataclass(frozen=True)
class ShareInterval:
    """A share with its interval, 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RelativeShare:
    """One share as a multiple of another; ``high`` may be infinite."""

    value: float
    low: float
    high: float


def share_interval(counts: Floats, sizes: Floats, *, level: float) -> ShareInterval:
    """Return Σ counts / Σ sizes, whole numbers of each block, with the wider, at each end, of two intervals.

    Wilson's (1927) takes requests for independent and is right at 0 and 1; Student's t on the linearised share of
    blocks (Cochran 1977, ch. 6) knows that requests of a block are alike, and needs two blocks.
    """
    of = float(sizes.sum())
    by_wilson = wilson(round(counts.sum()), round(of), confidence=1 - level)
    value, low, high = by_wilson.value, by_wilson.low, by_wilson.high
    blocks = len(sizes)
    if blocks >= 2:
        influence = (counts - value * sizes) / (of / blocks)
        half = float(special.stdtrit(blocks - 1, 1 - level / 2) * influence.std(ddof=1) / math.sqrt(blocks))
        low, high = min(low, value - half), max(high, value + half)
    return ShareInterval(value, max(0.0, low), min(1.0, high))


def relative(candidate: ShareInterval, baseline: ShareInterval) -> RelativeShare | None:
    """Return the candidate's share over the baseline's with an interval from theirs; None where the baseline's is 0.

    The method of variance estimates recovery for ratios (Donner & Zou 2012, Stat. Methods Med. Res. 21). It takes the
    two for independent: where pairs are alike it errs on the wide side.
    """
    if baseline.value == 0:
        return None
    product = candidate.value * baseline.value
    from_low = candidate.low * (2 * candidate.value - candidate.low)
    from_high = candidate.high * (2 * candidate.value - candidate.high)
    to_low = baseline.low * (2 * baseline.value - baseline.low)
    to_high = baseline.high * (2 * baseline.value - baseline.high)
    beneath = product + math.sqrt(max(0.0, product**2 - from_low * to_high))
    above = product + math.sqrt(max(0.0, product**2 - from_high * to_low))
    return RelativeShare(
        candidate.value / baseline.value,
        max(0.0, from_low / beneath) if beneath > 0 else 0.0,
        above / to_low if to_low > 0 else math.inf,
    )
