"""How long each request of an adaptive mode took."""

from __future__ import annotations

import numpy as np

from halospec.analysis.requests import Floats, Requests
from halospec.charts.by_step import by_step
from halospec.charts.chart import Chart, Picture


def draw(requests: Requests) -> Picture:
    """Draw latency by step; a failed request is a cross on the axis, not a latency."""
    picture = by_step(requests, _latency_ms, "latency (ms)", absent="no successful request")
    for axes in picture.figure.axes:
        axes.set_ylim(bottom=0)
    return picture


def _latency_ms(requests: Requests) -> Floats:
    return np.where(requests.success, requests.latency_ms, np.nan)


ADAPTIVE_LATENCY = Chart("adaptive_latency", "End-to-end latency of adaptive modes by step", draw)
