"""Telemetry written down by a test: readings, and the requests that they belong to, at seconds of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from halospec.analysis.telemetry_data import TelemetryData
from halospec.records.schema import RequestRecord
from halospec.records.telemetry import IdlePower, TelemetryAccount

SECOND = 1_000_000_000


def at(*seconds: float) -> np.ndarray:
    """Moments of the run's clock."""
    return np.array([round(second * SECOND) for second in seconds], dtype=np.int64)


def readings(
    seconds: Iterable[float],
    columns: Mapping[str, Sequence[float]],
    *,
    counters: Sequence[str] = (),
    gauges: Sequence[str] = (),
    idle_w: float | None = None,
) -> TelemetryData:
    """Telemetry whose manifest says what of it counts energy."""
    idle = None if idle_w is None else IdlePower(watts=idle_w, seconds=5.0)
    account = TelemetryAccount(hz=10.0, energy_counters=tuple(counters), power_gauges=tuple(gauges), idle=idle)
    return TelemetryData(at(*seconds), {name: np.array(values, float) for name, values in columns.items()}, account)


def between(record: RequestRecord, started_s: float, ended_s: float) -> RequestRecord:
    """The same request at another time."""
    started_ns, ended_ns = round(started_s * SECOND), round(ended_s * SECOND)
    return record.model_copy(
        update={
            "started_ns": started_ns,
            "first_token_ns": started_ns,
            "ended_ns": ended_ns,
            "latency_ms": (ended_ns - started_ns) / 1e6,
        }
    )
