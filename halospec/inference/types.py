"""The values that inference takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
BOOTSTRAP_FROM_BLOCKS = 20
"""With fewer blocks a bootstrap over them undercovers; t on per-block log ratios is used there."""


class Method(StrEnum):
    """How an interval was made."""

    T_ON_BLOCKS = "t_on_blocks"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class Sums:
    """A ratio's two sums, apart by block, prompt, stratum and arm; both arrays have the shape (B, P, S, A).

    Attributes
    ----------
    numerator, denominator
        Milliseconds and tokens for time per output token, milliseconds and requests for a mean latency. Where nothing
        was measured both are 0.
    """

    numerator: Floats
    denominator: Floats


@dataclass(frozen=True)
class Estimate:
    """A ratio of sums with its interval, in the ratio's own unit.

    Attributes
    ----------
    low, high
        None where fewer than two blocks hold any data.
    blocks
        How many of them do.
    """

    value: float
    low: float | None
    high: float | None
    blocks: int
    method: Method | None


@dataclass(frozen=True)
class LogRatio:
    """How one arm compares with another, as a difference of logarithms: 0.05 is about 5 % more.

    Attributes
    ----------
    low, high
        Simultaneous over the whole family of comparisons; None where fewer than two blocks hold both arms.
    standard_error
        Of ``value``.
    smallest_detectable
        The difference that an experiment of this size would have found with 80 % power, after the same correction.
    """

    value: float
    low: float | None
    high: float | None
    standard_error: float | None
    smallest_detectable: float | None
    blocks: int
    method: Method | None

    @property
    def is_found(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class BestSet:
    """Which arms may be the best (lowest) of a stratum: the true best is among them with the confidence asked for.

    Attributes
    ----------
    candidates
        Places of the arms, in order. One alone is a winner.
    """

    candidates: tuple[int, ...]


@dataclass(frozen=True)
class Share:
    """A proportion with its interval."""

    value: float
    low: float
    high: float
    count: int
    of: int


@dataclass(frozen=True)
class Quantile:
    """A percentile with an interval between order statistics.

    Attributes
    ----------
    value
        None where the sample is too small for it: its interval would have no upper end.
    needed
        The sample size from which it can be given.
    """

    percentile: float
    value: float | None
    low: float | None
    high: float | None
    size: int
    needed: int
