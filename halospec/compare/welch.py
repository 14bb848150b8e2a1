"""Welch's t on the blocks of two runs that cannot be paired."""

from __future__ import annotations

import numpy as np
from scipy import special

from halospec.inference.types import Floats, LogRatio

_POWER = 0.8


def welch(baseline: Floats, candidate: Floats, *, level: float) -> LogRatio:
    """Compare the logarithms of two runs' blocks, each array one number a block (Welch 1947, Biometrika 34).

    Parameters
    ----------
    level
        1 - the confidence of this one interval.

    Returns
    -------
    LogRatio
        Of the geometric means; without an interval where a run has a single block. Its `method` is None: the kinds that
        `halospec.inference` knows are of paired arms.
    """
    sizes = np.array([len(baseline), len(candidate)])
    blocks = int(sizes.min())
    value = float(candidate.mean() - baseline.mean())
    if blocks < 2:
        return LogRatio(value, None, None, None, None, blocks, None)
    variances = np.array([baseline.var(ddof=1), candidate.var(ddof=1)]) / sizes
    standard_error = float(np.sqrt(variances.sum()))
    if standard_error > 0:
        degrees = float(variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum())
    else:
        degrees = float(sizes.sum() - 2)
    critical = float(special.stdtrit(degrees, 1 - level / 2))
    detectable = (critical + float(special.stdtrit(degrees, _POWER))) * standard_error
    half = critical * standard_error
    return LogRatio(value, value - half, value + half, standard_error, detectable, blocks, None)
