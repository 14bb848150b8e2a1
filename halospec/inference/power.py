"""What an experiment of some size can find, and how large one has to be to find something.

Planning values: as `comparisons` finds them, but with Bonferroni's level in place of the simulated one, which cannot be
known before there are data. The experiment itself will do a little better.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from halospec.inference.types import CONFIDENCE, Floats

POWER = 0.8
"""With which the smallest detectable difference is found."""

_MOST_BLOCKS = 10_000_000
_STRONGEST_AUTOCORRELATION = 0.9
_FEWEST_STEPS = 4


def smallest_detectable(
    sd_of_block_log_ratio: float,
    blocks: int,
    comparisons: int = 1,
    *,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> float:
    """Return the log ratio that so many blocks find with a given power, one of so many comparisons.

    (critical value + t quantile of the power) × sd / √blocks, with blocks - 1 degrees of freedom.

    Raises
    ------
    ValueError
        For fewer than two blocks or no comparison.
    """
    if blocks < 2 or comparisons < 1:
        raise ValueError("A difference can be detected with two blocks or more, and one comparison or more.")
    critical = -float(special.stdtrit(blocks - 1, (1 - confidence) / (2 * comparisons)))
    return (critical + float(special.stdtrit(blocks - 1, power))) * sd_of_block_log_ratio / math.sqrt(blocks)


def blocks_needed(
    sd_of_block_log_ratio: float,
    difference: float,
    comparisons: int = 1,
    *,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int:
    """Return how many blocks find a difference of log ratios with a given power.

    Raises
    ------
    ValueError
        If the difference is 0, or so small that no experiment would do.
    """
    wanted = abs(difference)

    def is_found(blocks: int) -> bool:
        found = smallest_detectable(sd_of_block_log_ratio, blocks, comparisons, confidence=confidence, power=power)
        return found <= wanted

    if wanted == 0 or not is_found(_MOST_BLOCKS):
        raise ValueError("A difference as small as this takes more blocks than anybody can run.")
    enough = 2
    while not is_found(enough):
        enough *= 2
    too_few = max(1, enough // 2)
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if is_found(middle) else (middle, enough)
    return enough


def block_sd(differences: Floats, steps: int | None = None) -> float:
    """Predict the standard deviation of a block's log ratio from paired differences within blocks.

    A single block is enough for it, where the spread between blocks would need several. What changes from block to
    block only is not in it: where that is much, the prediction is too low.

    Parameters
    ----------
    differences
        Shape (blocks, steps): an arm's log time per token minus the reference's at the same step, in the order in which
        they were measured; NaN where one is missing.
    steps
        Of the blocks to come; as many as there are here if not given.

    Returns
    -------
    float
        √(variance / steps × (1 + φ) / (1 - φ)), φ being the lag-1 autocorrelation within blocks, pooled, corrected for
        its bias in short series (Kendall 1954, Biometrika 41) and not taken for less than 0.

    Raises
    ------
    ValueError
        If no block holds two differences.
    """
    counts = np.count_nonzero(~np.isnan(differences), axis=1)
    series = differences[counts >= 2]
    counts = counts[counts >= 2]
    if not len(series):
        raise ValueError("Two paired requests in a block are the fewest whose spread can be told.")
    centred = series - np.nanmean(series, axis=1, keepdims=True)
    variance = float(np.nansum(centred**2) / (counts - 1).sum())
    phi = _autocorrelation(centred, float(counts.mean()))
    return math.sqrt(variance / (steps or differences.shape[1]) * (1 + phi) / (1 - phi))


def _autocorrelation(centred: Floats, steps: float) -> float:
    products = centred[:, 1:] * centred[:, :-1]
    squares = np.nansum(centred**2)
    if steps < _FEWEST_STEPS or squares == 0:
        return 0.0
    raw = float(np.nansum(products) / squares)
    return min(_STRONGEST_AUTOCORRELATION, max(0.0, (steps * raw + 1) / (steps - 3) if steps > _FEWEST_STEPS else raw))
