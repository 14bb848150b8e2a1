"""What is compared between runs, each metric as a ratio of two sums over requests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from halospec.analysis.request_times import times_of
from halospec.analysis.requests import Flags, Floats, Requests
from halospec.analysis.slo import Slo


class ComparedMetric(StrEnum):
    """A metric of a group of requests, by the name that users give it."""

    TPOT = "tpot_ms"
    TTFT = "ttft_ms"
    LATENCY = "latency_ms"
    TOKENS_PER_S = "tokens_per_s"
    ACCEPTANCE = "acceptance"
    ATTAINMENT = "attainment"

    @property
    def meaning(self) -> str:
        """What it is, in a sentence."""
        return _MEANINGS[self]

    @property
    def unit(self) -> str:
        """Its unit as a table's head shows it; a share has none."""
        return {"tokens_per_s": "per s", "acceptance": "share", "attainment": "share"}.get(self.value, "ms")

    @property
    def highest(self) -> float:
        """What it cannot exceed: an interval that a logarithm made ends there."""
        return 1.0 if self.unit == "share" else math.inf

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is good."""
        return self in (ComparedMetric.TOKENS_PER_S, ComparedMetric.ACCEPTANCE, ComparedMetric.ATTAINMENT)


_MEANINGS = {
    ComparedMetric.TPOT: "time per output token",
    ComparedMetric.TTFT: "time to first token",
    ComparedMetric.LATENCY: "end-to-end latency",
    ComparedMetric.TOKENS_PER_S: "tokens per second",
    ComparedMetric.ACCEPTANCE: "acceptance",
    ComparedMetric.ATTAINMENT: "attainment of the objectives",
}

PRIMARY = ComparedMetric.TPOT


@dataclass(frozen=True, eq=False)
class Terms:
    """What each request adds to a ratio's two sums; both are 0 for a request that says nothing about the metric."""

    numerator: Floats
    denominator: Floats


def terms_of(requests: Requests, metric: ComparedMetric, slo: Slo | None = None) -> Terms:
    """Return what each of the requests adds to a metric.

    Only successes count, except in attainment, which a failed request misses. ``slo`` is needed for attainment alone.

    Raises
    ------
    ValueError
        If attainment is asked for without objectives.
    """
    match metric:
        case ComparedMetric.TPOT:
            known = requests.success & np.isfinite(requests.decode_ms) & (requests.tokens >= 2)
            return _terms(requests.decode_ms, requests.tokens - 1, known)
        case ComparedMetric.TTFT:
            return _terms(requests.ttft_ms, np.ones(len(requests)), requests.success & np.isfinite(requests.ttft_ms))
        case ComparedMetric.LATENCY:
            return _terms(requests.latency_ms, np.ones(len(requests)), requests.success)
        case ComparedMetric.TOKENS_PER_S:
            return _terms(requests.tokens, requests.latency_ms / 1000, requests.success & np.isfinite(requests.tokens))
        case ComparedMetric.ACCEPTANCE:
            known = requests.success & np.isfinite(requests.accepted) & (requests.drafted > 0)
            return _terms(requests.accepted, requests.drafted, known)
        case ComparedMetric.ATTAINMENT:
            return _attainment(requests, slo)


def _attainment(requests: Requests, slo: Slo | None) -> Terms:
    if slo is None:
        raise ValueError("Attainment needs objectives; give --slo, as in --slo ttft_ms=400.")
    met = requests.success.copy()
    judged: Flags = np.ones(len(requests), dtype=np.bool_)
    for time, limit_ms in slo.limits:
        taken_ms = times_of(requests, time)
        judged &= ~requests.success | np.isfinite(taken_ms)
        met &= taken_ms <= limit_ms
    return _terms(met.astype(np.float64), np.ones(len(requests)), judged)


def _terms(numerator: Floats, denominator: Floats, known: Flags) -> Terms:
    return Terms(np.where(known, numerator, 0.0), np.where(known, denominator, 0.0))
