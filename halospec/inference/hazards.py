"""How likely each drafted position is to be accepted, given that those before it were.

A round that drafted k tokens says nothing of position k + 1, whether or not all k were accepted: it is censored there.
Kaplan & Meier (1958, JASA 53) count at each position the rounds that came so far and had drafted it. Accepted over
drafted tokens mixes all positions, and falls with k even where every position is accepted equally often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.inference.proportions import wilson
from halospec.inference.types import CONFIDENCE, Share


@dataclass(frozen=True)
class Hazard:
    """One drafted position, counted from 1.

    Attributes
    ----------
    acceptance
        The share of rounds that accepted it, of those that had accepted all before it and drafted it; None where there
        is none. The interval takes rounds to be independent.
    reached
        The product of the acceptances up to here: the probability that a round which drafts so many keeps them all.
        None from the first position on that was never tried.
    """

    position: int
    acceptance: Share | None
    reached: float | None


@dataclass(frozen=True)
class Acceptance:
    """What became of drafted tokens.

    Attributes
    ----------
    rounds
        Those with drafted tokens.
    drafted, accepted
        Tokens.
    """

    rounds: int
    drafted: int
    accepted: int
    hazards: tuple[Hazard, ...]


def hazards(k: npt.ArrayLike, accepted: npt.ArrayLike, k_max: int, *, confidence: float = CONFIDENCE) -> Acceptance:
    """Count acceptance by position, 1 to k_max, from one entry a round: tokens drafted, and how many of them were kept.

    Raises
    ------
    ValueError
        If a round accepted more than it drafted.
    """
    drafted, kept = np.asarray(k, dtype=np.int64), np.asarray(accepted, dtype=np.int64)
    if (kept > drafted).any() or (kept < 0).any():
        raise ValueError("A round cannot accept more tokens than it drafted, or fewer than none.")
    results = []
    reached: float | None = 1.0
    for position in range(1, k_max + 1):
        tried = int(np.count_nonzero((kept >= position - 1) & (drafted >= position)))
        share = wilson(int(np.count_nonzero(kept >= position)), tried, confidence=confidence) if tried else None
        reached = None if share is None or reached is None else reached * share.value
        results.append(Hazard(position, share, reached))
    return Acceptance(int(np.count_nonzero(drafted)), int(drafted.sum()), int(kept.sum()), tuple(results))
