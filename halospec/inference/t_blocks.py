"""Student's t on the log ratios of blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.inference.types import Floats


@dataclass(frozen=True, eq=False)
class BlockMeans:
    """Means over blocks with their standard errors; each attribute has the shape (C,).

    Attributes
    ----------
    degrees
        Of freedom: one less than the blocks that hold the comparison.
    """

    values: Floats
    standard_errors: Floats
    degrees: npt.NDArray[np.int64]


def block_means(ratios: Floats) -> BlockMeans:
    """Return the mean of each column of (B, C) block log ratios, of which NaN are left out and two or more remain."""
    counts = np.count_nonzero(~np.isnan(ratios), axis=0)
    spread = np.nanmax(ratios, axis=0) - np.nanmin(ratios, axis=0)
    deviations = np.where(spread > 0, np.nanstd(ratios, axis=0, ddof=1), 0.0)
    return BlockMeans(np.nanmean(ratios, axis=0), deviations / np.sqrt(counts), counts - 1)
