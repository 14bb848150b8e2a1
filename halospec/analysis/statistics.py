"""The numbers of a group of requests. Each is ``None`` where the group does not support it, never NaN."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from halospec.analysis.observation import Observations
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


def spread(values: Sequence[float]) -> Spread | None:
    """Describe the values; ``None`` if there are none."""
    if not values:
        return None
    return Spread(
        mean=statistics.fmean(values),
        median=statistics.median(values),
        p95=nearest_rank(values, 95),
        minimum=min(values),
        maximum=max(values),
        sd=statistics.pstdev(values),
    )


def latency(observations: Observations) -> Spread | None:
    """Describe the end-to-end latency in milliseconds."""
    return spread([seen.latency_ms for seen in observations])


def mean(values: Sequence[float]) -> float | None:
    """Return the mean; ``None`` if there are no values."""
    return statistics.fmean(values) if values else None


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the quotient; ``None`` if there is nothing to divide by."""
    return numerator / denominator if denominator else None


def tokens_per_second(observations: Observations) -> float | None:
    """Return Σ tokens / Σ latency over the requests whose token count is known."""
    known = [(seen.tokens, seen.latency_ms) for seen in observations if seen.tokens is not None]
    return ratio(sum(tokens for tokens, _ in known), sum(ms for _, ms in known) / 1000)


def tpot_ms(observations: Observations) -> float | None:
    """Return the time per output token of a group: Σ(ended - first token) / Σ(tokens - 1).

    A ratio of sums, so that a long reply weighs as much as its tokens; requests without a first-token time or with
    fewer than two tokens say nothing about it.
    """
    known = [
        (seen.decode_ms, seen.tokens - 1)
        for seen in observations
        if seen.decode_ms is not None and seen.tokens is not None and seen.tokens >= 2
    ]
    return ratio(sum(ms for ms, _ in known), sum(tokens for _, tokens in known))


def acceptance(observations: Observations) -> float | None:
    """Return Σ accepted / Σ drafted; ``None`` if nothing was drafted or no counts are known."""
    known = [
        (seen.accepted, seen.drafted) for seen in observations if seen.accepted is not None and seen.drafted is not None
    ]
    return ratio(sum(accepted for accepted, _ in known), sum(drafted for _, drafted in known))


def drafted_per_round(observations: Observations) -> float | None:
    """Return Σ drafted / Σ rounds; ``None`` if no counts are known."""
    known = [
        (seen.drafted, seen.rounds) for seen in observations if seen.drafted is not None and seen.rounds is not None
    ]
    return ratio(sum(drafted for drafted, _ in known), sum(rounds for _, rounds in known))
