"""How long each request of an adaptive mode took."""

from __future__ import annotations

from halospec.analysis.observation import Observation, Observations
from halospec.charts.by_step import by_step
from halospec.charts.chart import Chart, Picture


def draw(observations: Observations) -> Picture:
    """Draw latency by step; a failed request is a cross on the axis, not a latency."""
    picture = by_step(observations, _latency_ms, "latency (ms)", absent="no successful request")
    for axes in picture.figure.axes:
        axes.set_ylim(bottom=0)
    return picture


def _latency_ms(seen: Observation) -> float | None:
    return seen.latency_ms if seen.success else None


ADAPTIVE_LATENCY = Chart("adaptive_latency", "End-to-end latency of adaptive modes by step", draw)
