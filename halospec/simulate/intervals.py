"""Two policies compared over the same seeds."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from scipy import special

from halospec.analysis.value import Value
from halospec.inference.types import CONFIDENCE
from halospec.simulate.bins import Floats

_DECIMALS = 12
"""Equal times that were summed in another order differ in the last bits; that is no difference between policies."""


class Verdict(StrEnum):
    """What the interval says of a policy's time per token."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "cannot be told apart"


class Difference(Value):
    """How much more time per token one policy takes than another; less than 0 is better.

    Attributes
    ----------
    percent
        exp(mean over seeds of the log ratio) − 1.
    low_percent, high_percent
        Ends of Student's t interval on the log ratios of the seeds; ``None`` with a single seed.
    """

    percent: float
    low_percent: float | None
    high_percent: float | None

    @property
    def verdict(self) -> Verdict:
        """Better or worse only where the interval excludes 0."""
        if self.low_percent is None or self.high_percent is None:
            return Verdict.UNDECIDED
        if self.high_percent < 0:
            return Verdict.BETTER
        return Verdict.WORSE if self.low_percent > 0 else Verdict.UNDECIDED


def difference(ms: Floats, reference_ms: Floats) -> Difference:
    """Compare the times that two policies took for the same tokens, seed by seed."""
    ratios = np.round(np.log(ms / reference_ms), _DECIMALS)
    mean, count = float(ratios.mean()), len(ratios)
    if count < 2:
        return Difference(percent=_percent(mean), low_percent=None, high_percent=None)
    error = float(ratios.std(ddof=1)) / math.sqrt(count) if np.ptp(ratios) > 0 else 0.0
    reach = float(special.stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error
    return Difference(percent=_percent(mean), low_percent=_percent(mean - reach), high_percent=_percent(mean + reach))


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)
