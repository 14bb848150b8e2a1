"""The mean latency of each fixed draft length."""

from __future__ import annotations

import statistics
from dataclasses import replace

from halospec.analysis.requests import Requests
from halospec.charts.chart import Chart, Picture
from halospec.charts.fixed_bars import fixed_bars


def draw(requests: Requests) -> Picture:
    """Draw the mean over all phases, with every request behind it as a point."""
    picture = fixed_bars(requests, statistics.fmean, "mean latency (ms)", lambda n: f"n = {n}")
    explained = "Bar and number: mean over all phases. Every point is one successful request."
    return replace(picture, notes=(explained, *picture.notes))


FIXED_MEAN_LATENCY = Chart("fixed_mean_latency", "Mean end-to-end latency of fixed draft lengths", draw)
