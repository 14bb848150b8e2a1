"""The numbers of a group of requests. Each is ``None`` where the group does not support it, never NaN."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.analysis.requests import Floats, Requests
from halospec.nearest_rank import nearest_rank

P95_WEIGHT = 0.5
SPREAD_WEIGHT = 0.2
P95_IS_MAXIMUM_BELOW = 20
"""With fewer values than this, the nearest-rank p95 is the largest of them."""


@dataclass(frozen=True)
class Spread:
    """Statistics of at least one value, in the values' unit.

    Attributes
    ----------
    p95
        Nearest rank.
    sd
        Of the population: divided by n, not n - 1.
    """

    mean: float
    median: float
    p95: float
    minimum: float
    maximum: float
    sd: float

    @property
    def score(self) -> float:
        """The original's score, ``mean + 0.5 p95 + 0.2 sd``; lower is better."""
        return self.mean + P95_WEIGHT * self.p95 + SPREAD_WEIGHT * self.sd


def spread(values: npt.ArrayLike) -> Spread | None:
    """Describe the values; ``None`` if there are none."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not ordered.size:
        return None
    average = _mean(ordered)
    return Spread(
        mean=average,
        median=float(np.median(ordered)),
        p95=nearest_rank(ordered.tolist(), 95),
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        sd=math.sqrt(_mean((ordered - average) ** 2)),
    )


def latency(requests: Requests) -> Spread | None:
    """Describe the end-to-end latency in milliseconds."""
    return spread(requests.latency_ms)


def mean(values: Floats) -> float | None:
    """Return the mean of the values that are known; ``None`` if none is."""
    known = values[~np.isnan(values)]
    return _mean(known) if known.size else None


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the quotient; ``None`` if there is nothing to divide by."""
    return numerator / denominator if denominator else None


def ratio_of_sums(numerators: Floats, denominators: Floats) -> float | None:
    """Return Σ numerators / Σ denominators over the requests that have both; ``None`` if that divides by nothing."""
    known = ~(np.isnan(numerators) | np.isnan(denominators))
    return ratio(math.fsum(numerators[known].tolist()), math.fsum(denominators[known].tolist()))


def tokens_per_second(requests: Requests) -> float | None:
    """Return Σ tokens / Σ latency over the requests whose token count is known."""
    return ratio_of_sums(requests.tokens, requests.latency_ms / 1000)


def tpot_ms(requests: Requests) -> float | None:
    """Return the time per output token of a group: Σ(ended - first token) / Σ(tokens - 1).

    A ratio of sums, so that a long reply weighs as much as its tokens; requests without a first-token time or with
    fewer than two tokens say nothing about it.
    """
    return ratio_of_sums(requests.decode_ms, np.where(requests.tokens >= 2, requests.tokens - 1, np.nan))


def acceptance(requests: Requests) -> float | None:
    """Return Σ accepted / Σ drafted; ``None`` if nothing was drafted or no counts are known."""
    return ratio_of_sums(requests.accepted, requests.drafted)


def drafted_per_round(requests: Requests) -> float | None:
    """Return Σ drafted / Σ rounds; ``None`` if no counts are known."""
    return ratio_of_sums(requests.drafted, requests.rounds)


def _mean(values: Floats) -> float:
    return math.fsum(values.tolist()) / len(values)
