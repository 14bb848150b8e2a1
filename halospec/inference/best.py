"""Which arms may be the best.

Multiple comparisons with the best (Hsu 1981, Ann. Stat. 9; Hsu 1996, Multiple Comparisons, ch. 4), in the form that
allows each difference its own variance: every arm in turn is the control, and stays a candidate unless some other arm
is lower by more than a one-sided simultaneous critical value. The true best is only dropped if that comparison errs, so
that it is among the candidates with the confidence asked for, however many arms there are (Gupta 1965, Technometrics
7).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from halospec.inference.family import Family, family_of
from halospec.inference.log_ratios import Contrast, block_log_ratios, blocks_held
from halospec.inference.max_t import Sides, p_values
from halospec.inference.types import CONFIDENCE, BestSet, Method, Sums


def best_set(sums: Sums, stratum: int, *, confidence: float = CONFIDENCE, seed: int = 1) -> BestSet | None:
    """Return the arms of a stratum that may be the lowest.

    The confidence is that of one stratum. An arm that shares fewer than two blocks with every other stays a candidate,
    as nothing speaks against it; one that was not measured at all does not.

    Returns
    -------
    BestSet or None
        None where no two arms share two blocks.
    """
    measured = (sums.denominator[:, :, stratum] > 0).any(axis=(0, 1))
    arms = [int(arm) for arm in np.flatnonzero(measured)]
    contrasts = [Contrast(stratum, arm, other) for arm, other in combinations(arms, 2)]
    ratios = block_log_ratios(sums, contrasts)
    held = [place for place, count in enumerate(blocks_held(ratios)) if count >= 2]
    if not held:
        return None
    contrasts = [contrasts[place] for place in held]
    family = family_of(sums, contrasts, ratios[:, held], seed)
    candidates = tuple(arm for arm in arms if _may_be_lowest(arm, contrasts, family, confidence, seed))
    # Without all cells differences need not add up, and each arm could come out above another.
    return BestSet(candidates or tuple(arms))


def _may_be_lowest(arm: int, contrasts: Sequence[Contrast], family: Family, confidence: float, seed: int) -> bool:
    places = [place for place, contrast in enumerate(contrasts) if arm in (contrast.arm, contrast.other)]
    if not places:
        return True
    above = family.at(places, [1 if contrasts[place].arm == arm else -1 for place in places])
    t = np.where(above.values > 0, np.inf, np.where(above.values < 0, -np.inf, 0.0))
    np.divide(above.values, above.standard_errors, out=t, where=above.standard_errors > 0)
    smallest = float(p_values(t, above.degrees, Sides.ONE).min())
    alpha = 1 - confidence
    if smallest > alpha:
        return True
    if above.method is Method.T_ON_BLOCKS and smallest <= alpha / len(places):
        return False
    return smallest > above.level(confidence, seed, Sides.ONE)
