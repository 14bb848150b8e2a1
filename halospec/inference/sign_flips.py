"""The sign-flip permutation test, for pairs of which a fair coin decided who came first.

Under the null hypothesis each pair's difference is as likely to have the other sign, and nothing else is assumed: not a
distribution, not equal spreads, not independence of the canaries' times. Within a block k is shuffled, so the coin is
fair by design (Fisher 1935; scipy's ``permutation_test(permutation_type="samples")`` is the same test).

The interval comes from the same argument turned round: each of the 2ⁿ - 1 means over a subset of the differences is
equally likely to lie on either side of the true shift, so that they cut the line into 2ⁿ intervals of equal probability
(Hartigan 1969, "Using subsample values as typical values", JASA 64). It excludes 0 where the test rejects, and needs
six pairs for 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EXACT_UP_TO = 16
"""Pairs up to which every pattern of signs is gone through; beyond, `DRAWN` random ones stand for all."""

DRAWN = 20_000
CONFIDENCE = 0.95
FEWEST_PAIRS = 6
"""Fewer cannot give a 95 % interval, whatever they show."""


@dataclass(frozen=True)
class Shift:
    """How far paired differences lie from 0 as a whole.

    Attributes
    ----------
    mean, low, high
        In the differences' own unit; the interval is None for fewer than `FEWEST_PAIRS`.
    p_value
        Two-sided.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float


def shift_of(differences: Sequence[float], seed: int) -> Shift:
    """Test paired differences (at least one) against none; the seed matters beyond `EXACT_UP_TO` pairs only."""
    values = np.asarray(differences, dtype=np.float64)
    kept = _patterns(len(values), seed)
    sums = kept @ values
    flipped = np.abs(2.0 * sums - values.sum())
    # Sums of the same numbers in another order differ in the last bits, and a tie counts as being as extreme.
    slack = 1e-9 * float(np.abs(values).sum())
    as_extreme = int(np.count_nonzero(flipped >= abs(values.sum()) - slack))
    is_exact = len(values) <= EXACT_UP_TO
    p_value = as_extreme / len(kept) if is_exact else (as_extreme + 1) / (len(kept) + 1)
    low, high = _interval(kept, sums)
    return Shift(float(values.mean()), low, high, p_value)


def pairs_needed(tests: int, level: float) -> int:
    """Return how many pairs let one of so many tests reach a level after Holm, with room for some that disagree.

    The smallest p-value of n pairs is 2 / 2ⁿ; a quarter of the level is asked of it.
    """
    return max(FEWEST_PAIRS, math.ceil(math.log2(2 * max(1, tests) * 4 / level)))


def _patterns(pairs: int, seed: int) -> npt.NDArray[np.float64]:
    """Return which pairs keep their sign, a row a pattern."""
    if pairs <= EXACT_UP_TO:
        numbers = np.arange(2**pairs)[:, np.newaxis]
        return ((numbers >> np.arange(pairs)) & 1).astype(np.float64)
    return np.random.default_rng(seed).integers(0, 2, size=(DRAWN, pairs)).astype(np.float64)


def _interval(kept: npt.NDArray[np.float64], sums: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    sizes = kept.sum(axis=1)
    typical = np.sort(sums[sizes > 0] / sizes[sizes > 0])
    outside = math.floor((1 - CONFIDENCE) / 2 * len(kept))
    if outside == 0:
        return None, None
    return float(typical[outside - 1]), float(typical[-outside])
