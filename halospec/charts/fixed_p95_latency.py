"""The 95th percentile of the latency of each fixed draft length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from halospec.analysis.modes import fixed_length
from halospec.analysis.requests import Requests
from halospec.analysis.statistics import P95_IS_MAXIMUM_BELOW
from halospec.charts.chart import Chart, Picture
from halospec.charts.fixed_bars import fixed_bars
from halospec.nearest_rank import nearest_rank


def draw(requests: Requests) -> Picture:
    """Draw the nearest-rank p95 over all phases; where it is the maximum of few requests, say so."""
    picture = fixed_bars(requests, _p95, "p95 latency (ms)", _caption)
    explained = "Bar and number: p95 by nearest rank over all phases. Every point is one successful request."
    counts = [len(seen) for mode, seen in requests.successes.by_mode() if fixed_length(mode) is not None]
    honest = (
        (f"The p95 of fewer than {P95_IS_MAXIMUM_BELOW} requests is their maximum: bars marked max.",)
        if min(counts) < P95_IS_MAXIMUM_BELOW
        else ()
    )
    return replace(picture, notes=(explained, *honest, *picture.notes))


def _p95(values: Sequence[float]) -> float:
    return nearest_rank(values, 95)


def _caption(n: int) -> str:
    return f"max\nof {n}" if n < P95_IS_MAXIMUM_BELOW else f"n = {n}"


FIXED_P95_LATENCY = Chart("fixed_p95_latency", "p95 end-to-end latency of fixed draft lengths", draw)
