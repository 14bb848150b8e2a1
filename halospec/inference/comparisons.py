"""Arms compared with one another: to a reference, each with each, and with the lowest of several.

Differences are of logarithms, so that exp(value) - 1 is the relative one, and lower is better. With fewer than 20
blocks (`BOOTSTRAP_FROM_BLOCKS`) a comparison is the mean of the blocks' log ratios and its interval is Student's: it
holds for the prompts that were asked. From 20 blocks on it is the log ratio of the sums over all blocks, with a
bootstrap that draws prompts again too where there are enough of them: it then holds for such prompts in general. Either
way only those cells of a block and a prompt count in which both arms were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from halospec.inference.family import compared
from halospec.inference.log_ratios import Contrast
from halospec.inference.types import CONFIDENCE, LogRatio, Sums


def compare_to(
    sums: Sums, reference: int, *, confidence: float = CONFIDENCE, seed: int = 1
) -> list[list[LogRatio | None]]:
    """Compare every arm with a reference in every stratum, all at once.

    Where nothing differs, one interval or more excludes 0 with probability 1 - confidence, over all arms and strata.

    Returns
    -------
    list
        Indexed [stratum][arm]; None for the reference itself and where no block holds both.
    """
    _, _, strata, arms = sums.numerator.shape
    contrasts = [Contrast(s, arm, reference) for s in range(strata) for arm in range(arms) if arm != reference]
    found = compared(sums, contrasts, confidence=confidence, seed=seed)
    table: list[list[LogRatio | None]] = [[None] * arms for _ in range(strata)]
    for contrast, result in zip(contrasts, found, strict=True):
        table[contrast.stratum][contrast.arm] = result
    return table


def compare_all(
    sums: Sums, stratum: int, *, confidence: float = CONFIDENCE, seed: int = 1
) -> list[list[LogRatio | None]]:
    """Compare every arm of a stratum with every other, all at once.

    Returns
    -------
    list
        Indexed [arm][other], the arm relative to the other; None where both are the same or no block holds both.
    """
    arms = sums.numerator.shape[3]
    contrasts = [Contrast(stratum, arm, other) for arm, other in combinations(range(arms), 2)]
    found = compared(sums, contrasts, confidence=confidence, seed=seed)
    table: list[list[LogRatio | None]] = [[None] * arms for _ in range(arms)]
    for (arm, other), result in zip(combinations(range(arms), 2), found, strict=True):
        table[arm][other] = result
        table[other][arm] = None if result is None else turned(result)
    return table


def against_lowest(
    sums: Sums, stratum: int, arm: int, among: Sequence[int], *, confidence: float = CONFIDENCE, seed: int = 1
) -> LogRatio | None:
    """Compare an arm with the lowest of some others, whichever that is.

    The difference to the lowest is the largest of the differences, and so are the ends of its interval, given
    simultaneous intervals for all of them: not knowing which one is the lowest is part of the width. The value itself
    errs upwards, because the lowest of several estimates errs downwards.

    Returns
    -------
    LogRatio or None
        None where none of the others shares a block with the arm. Standard error and smallest detectable difference are
        those of the comparison with the arm that seems lowest; `blocks` is the smallest number of them all.
    """
    contrasts = [Contrast(stratum, arm, other) for other in among if other != arm]
    found = [result for result in compared(sums, contrasts, confidence=confidence, seed=seed) if result is not None]
    if not found:
        return None
    largest = max(found, key=lambda result: result.value)
    lows = [result.low for result in found if result.low is not None]
    highs = [result.high for result in found if result.high is not None]
    is_complete = len(lows) == len(found)
    value, low, high = largest.value, max(lows, default=None), max(highs, default=None)
    if arm in among and low is not None and high is not None:
        value, low, high = max(value, 0.0), max(low, 0.0), max(high, 0.0)
    return LogRatio(
        value,
        low if is_complete else None,
        high if is_complete else None,
        largest.standard_error,
        largest.smallest_detectable,
        min(result.blocks for result in found),
        largest.method,
    )


def turned(result: LogRatio) -> LogRatio:
    """Return the comparison the other way round."""
    return LogRatio(
        -result.value,
        None if result.high is None else -result.high,
        None if result.low is None else -result.low,
        result.standard_error,
        result.smallest_detectable,
        result.blocks,
        result.method,
    )
