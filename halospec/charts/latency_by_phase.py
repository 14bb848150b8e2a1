"""How latency is distributed in each phase, mode by mode."""

from __future__ import annotations

import statistics

from matplotlib.axes import Axes

from halospec.analysis.requests import Requests
from halospec.charts.chart import Chart, Picture
from halospec.charts.style import (
    INK,
    PHASE_LOOK,
    canvas,
    failure_marker,
    modes_with_successes,
    name_modes,
    phase_markers,
    spread_out,
)
from halospec.records.schema import Phase

BOX_FROM = 5
"""Fewer points than this speak for themselves; quartiles of them would say more than there is."""

_GROUP_WIDTH = 0.78


def draw(requests: Requests) -> Picture:
    """Draw every request as a point, the median as a bar and, from five points on, the quartiles as a box."""
    good, notes = modes_with_successes(requests)
    failures = requests.where(~requests.success)
    phases = requests.phases_here
    width = _GROUP_WIDTH / len(phases)
    figure, (axes,) = canvas()
    for place, mode in enumerate(good):
        for number, phase in enumerate(phases):
            center = place + (number - (len(phases) - 1) / 2) * width
            _column(axes, center, width, phase, good[mode].in_phase(phase))
            failed = len(failures.of_mode(mode).in_phase(phase))
            for offset in spread_out(failed, 0.5 * width):
                axes.plot(
                    center + offset, 0, marker="x", color=INK, markersize=5, clip_on=False, zorder=4,
                    transform=axes.get_xaxis_transform(),
                )  # fmt: skip
    name_modes(axes, list(good))
    axes.set_ylabel("latency (ms)")
    axes.set_ylim(bottom=0)
    crosses = (failure_marker(),) if len(failures) else ()
    explained = (
        f"Bar: median. Box: quartiles, drawn from {BOX_FROM} requests on. Every point is one successful request."
    )
    return Picture(figure, (*phase_markers(phases), *crosses), (explained, *notes))


def _column(axes: Axes, center: float, width: float, phase: Phase, seen: Requests) -> None:
    values = seen.latency_ms.tolist()
    if not values:
        return
    look = PHASE_LOOK[phase]
    left, right = center - 0.42 * width, center + 0.42 * width
    if len(values) >= BOX_FROM:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        axes.fill_between([left, right], low, high, color=look.color, alpha=0.35, linewidth=0, zorder=1)
    axes.plot([left, right], [statistics.median(values)] * 2, color=INK, linewidth=1.3, zorder=2)
    axes.plot(
        [center + offset for offset in spread_out(len(values), 0.55 * width)], values, marker=look.marker,
        color=look.color, markeredgecolor=INK, markeredgewidth=0.3, markersize=3.2, linestyle="", zorder=3,
    )  # fmt: skip


LATENCY_BY_PHASE = Chart("latency_by_phase", "End-to-end latency by phase", draw)
