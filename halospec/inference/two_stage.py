"""How many blocks a wanted precision takes, decided after a pilot, with intervals that hold in spite of having looked.

Stein (1945, Ann. Math. Stat. 16): the pilot's blocks give the variance, the variance gives the number of blocks, and
the mean over *all* blocks, scaled by the *pilot's* standard deviation, is exactly t distributed with the pilot's
degrees of freedom, because the spread of Gaussian blocks says nothing about their mean. Healy (1956, Ann. Math. Stat.
27) did it for several intervals at once. For the same reason the number of blocks may be corrected later, by the spread
of later blocks, or cut at a time limit: the intervals stay valid. It must not depend on the means, and the interval
must not be the ordinary one, which is too narrow where it was stopped for being narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from halospec.inference.max_t import critical_values
from halospec.inference.t_blocks import block_means
from halospec.inference.types import CONFIDENCE, Floats


@dataclass(frozen=True, eq=False)
class Pilot:
    """What a pilot settles, for each comparison; the arrays have the shape (C,).

    Attributes
    ----------
    deviations
        Standard deviations of the blocks' log ratios; NaN where fewer than two of the pilot's blocks hold a comparison.
    critical
        Simultaneous critical values with the pilot's degrees of freedom.
    held
        Share of the pilot's blocks that hold the comparison.
    """

    deviations: Floats
    critical: Floats
    held: Floats

    def blocks_needed(self, half_width: float) -> int:
        """Return how many blocks in all make every interval as narrow as ± half_width, a difference of logarithms.

        Comparisons that the pilot could not judge are left out.

        Raises
        ------
        ValueError
            If the width is not above 0, or the pilot could not judge any comparison.
        """
        if half_width <= 0:
            raise ValueError("The width of an interval is above 0.")
        judged = ~np.isnan(self.deviations)
        if not judged.any():
            raise ValueError("A pilot needs two blocks in which something can be compared.")
        blocks = (self.critical * self.deviations / half_width) ** 2
        # A hair less, so that rounding does not ask for one block more.
        return max(2, math.ceil(float(np.max((blocks / self.held)[judged])) * (1 - 1e-12)))

    def half_widths(self, ratios: Floats) -> Floats:
        """Return the half-widths of the intervals around the means of (N, C) log ratios: the pilot's blocks and more.

        NaN where the pilot could not judge a comparison.
        """
        counts = np.count_nonzero(~np.isnan(ratios), axis=0)
        return np.asarray(self.critical * self.deviations / np.sqrt(np.maximum(counts, 1)))


def pilot_of(ratios: Floats, *, confidence: float = CONFIDENCE, seed: int = 1) -> Pilot:
    """Take what sample sizes need from a pilot's block log ratios, shape (n0, C) with NaN where a block lacks one."""
    counts = np.count_nonzero(~np.isnan(ratios), axis=0)
    judged = counts >= 2
    deviations, critical = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    if judged.any():
        means = block_means(ratios[:, judged])
        deviations[judged] = means.standard_errors * np.sqrt(counts[judged])
        critical[judged] = critical_values(ratios[:, judged], confidence=confidence, seed=seed)
    return Pilot(deviations, critical, counts / max(len(ratios), 1))
