"""The times of a single request that objectives are set for and percentiles taken of."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from halospec.analysis.requests import Floats, Requests


class RequestTime(StrEnum):
    """A time of one request, in milliseconds; ``E2E`` is its latency."""

    TTFT = "ttft_ms"
    TPOT = "tpot_ms"
    E2E = "e2e_ms"

    @property
    def label(self) -> str:
        """What a table calls it."""
        return {RequestTime.TTFT: "TTFT", RequestTime.TPOT: "TPOT", RequestTime.E2E: "E2E latency"}[self]


def times_of(requests: Requests, time: RequestTime) -> Floats:
    """Return this time of each request; NaN where it is unknown.

    The TPOT of one request is (ended - first token) / (tokens - 1), which a reply of a single token does not have.
    """
    match time:
        case RequestTime.TTFT:
            return requests.ttft_ms
        case RequestTime.TPOT:
            return requests.decode_ms / np.where(requests.tokens >= 2, requests.tokens - 1, np.nan)
        case RequestTime.E2E:
            return requests.latency_ms
