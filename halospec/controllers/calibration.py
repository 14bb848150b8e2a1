"""Latency thresholds from warm-up requests, as the original calibrated them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec.nearest_rank import nearest_rank


@dataclass(frozen=True)
class Thresholds:
    """Smoothed latencies below ``low_ms`` are fast and above ``high_ms`` slow; whole milliseconds."""

    low_ms: int
    high_ms: int


@dataclass(frozen=True)
class CalibrationSettings:
    """How thresholds follow from warm-up latencies.

    Attributes
    ----------
    low_percentile, low_factor
        ``low = factor × percentile``, nearest rank, cut to whole milliseconds; ``high`` likewise.
    fallback
        What holds if no warm-up request succeeded.
    """

    low_percentile: int = 50
    low_factor: float = 0.85
    high_percentile: int = 95
    high_factor: float = 1.05
    fallback: Thresholds = Thresholds(low_ms=9000, high_ms=22000)


def calibrate(latencies_ms: Sequence[float], settings: CalibrationSettings) -> Thresholds:
    """Return the thresholds that the latencies of successful warm-up requests give."""
    if not latencies_ms:
        return settings.fallback
    return Thresholds(
        low_ms=int(settings.low_factor * nearest_rank(latencies_ms, settings.low_percentile)),
        high_ms=int(settings.high_factor * nearest_rank(latencies_ms, settings.high_percentile)),
    )
