"""From sums to log ratios of arms whose measurements are paired by block and prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halospec.inference.types import Floats, Sums

SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
"""How the logarithms of the sums in `paired_sums` add up to a log ratio."""

_DECIMALS = 12
"""Equal ratios of different numbers differ in the last bits; that is no difference between arms."""


@dataclass(frozen=True)
class Contrast:
    """An arm compared with another within a stratum, or, where there is no other, its ratio itself."""

    stratum: int
    arm: int
    other: int | None


def paired_sums(sums: Sums, contrast: Contrast) -> Floats:
    """Return the sums that a contrast is made of: shape (4, B, P), or (2, B, P) without another arm.

    They are numerator and denominator of the arm, then of the other. A cell counts only where both arms were measured,
    so that each is judged on the same blocks and prompts; elsewhere all are 0.
    """
    arms = [contrast.arm] if contrast.other is None else [contrast.arm, contrast.other]
    numerators = [sums.numerator[:, :, contrast.stratum, arm] for arm in arms]
    denominators = [sums.denominator[:, :, contrast.stratum, arm] for arm in arms]
    held = np.logical_and.reduce([denominator > 0 for denominator in denominators])
    pieces = [piece for pair in zip(numerators, denominators, strict=True) for piece in pair]
    return np.where(held, np.stack(pieces), 0.0)


def log_ratio(totals: Floats) -> Floats:
    """Return the log ratio of totals, whose first axis is that of `paired_sums`; NaN where one is not positive."""
    positive = np.all(totals > 0, axis=0)
    logs = np.log(np.where(positive, totals, 1.0))
    combined = np.tensordot(SIGNS[: len(totals)], logs, axes=1)
    return np.where(positive, np.round(combined, _DECIMALS), np.nan)


def block_log_ratios(sums: Sums, contrasts: Sequence[Contrast]) -> Floats:
    """Return each block's log ratio for each contrast: shape (B, C), NaN where the block does not hold it."""
    columns = [log_ratio(paired_sums(sums, contrast).sum(axis=2)) for contrast in contrasts]
    return np.stack(columns, axis=1) if columns else np.empty((len(sums.numerator), 0))


def blocks_held(ratios: Floats) -> list[int]:
    """Return how many blocks hold each contrast, given their log ratios."""
    return [int(count) for count in np.count_nonzero(~np.isnan(ratios), axis=0)]
