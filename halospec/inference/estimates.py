"""A ratio of sums for each arm by itself, with an interval that holds for it alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from halospec.inference.family import family_of
from halospec.inference.log_ratios import Contrast, paired_sums
from halospec.inference.types import BOOTSTRAP_FROM_BLOCKS, CONFIDENCE, Estimate, Floats, Sums


def estimate(sums: Sums, *, confidence: float = CONFIDENCE, seed: int = 1) -> list[list[Estimate | None]]:
    """Return each arm's ratio of sums in each stratum, indexed [stratum][arm]; None where nothing was measured.

    An interval is computed for the logarithm and holds for its arm alone. Two arms whose intervals overlap may well
    differ, since a slow block slows both: `comparisons.compare_to` tells.
    """
    _, _, strata, arms = sums.numerator.shape
    table: list[list[Estimate | None]] = [[None] * arms for _ in range(strata)]
    few: list[Contrast] = []
    many: list[Contrast] = []
    for contrast in (Contrast(stratum, arm, None) for stratum in range(strata) for arm in range(arms)):
        pieces = paired_sums(sums, contrast).sum(axis=2)
        numerator, denominator = pieces.sum(axis=1)
        if numerator > 0 and denominator > 0:
            blocks = int((pieces[1] > 0).sum())
            table[contrast.stratum][contrast.arm] = Estimate(float(numerator / denominator), None, None, blocks, None)
            if blocks >= 2:
                (many if blocks >= BOOTSTRAP_FROM_BLOCKS else few).append(contrast)
    for contrasts in (few, many):
        for contrast, result in zip(contrasts, _estimates(sums, contrasts, confidence, seed), strict=True):
            table[contrast.stratum][contrast.arm] = result
    return table


def _estimates(sums: Sums, contrasts: Sequence[Contrast], confidence: float, seed: int) -> list[Estimate]:
    if not contrasts:
        return []
    values = np.stack([_block_values(paired_sums(sums, contrast).sum(axis=2)) for contrast in contrasts], axis=1)
    blocks = np.count_nonzero(~np.isnan(values), axis=0)
    family = family_of(sums, contrasts, values, seed)
    results = []
    for place in range(len(contrasts)):
        alone = family.at([place], [1])
        value, half_width = float(alone.values[0]), float((alone.critical(confidence, seed) * alone.standard_errors)[0])
        low, high = math.exp(value - half_width), math.exp(value + half_width)
        results.append(Estimate(math.exp(value), low, high, int(blocks[place]), family.method))
    return results


def _block_values(pieces: Floats) -> Floats:
    """Return values of blocks whose mean is the log ratio of their sums, and whose spread gives its standard error.

    From numerators and denominators, shape (2, B): the ratio linearised (the delta method; Cochran 1977, Sampling
    Techniques, 6.4). The mean of the blocks' own log ratios would be that of another quantity, the geometric mean.
    """
    numerator, denominator = pieces
    totals = pieces.sum(axis=1)
    held = denominator > 0
    influence = numerator / totals[0] - denominator / totals[1]
    return np.where(held, math.log(totals[0] / totals[1]) + held.sum() * np.round(influence, 15), np.nan)
