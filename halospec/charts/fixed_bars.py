"""One statistic of latency for every fixed draft length: a bar, with the requests behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from halospec.analysis.modes import fixed_length
from halospec.analysis.requests import Requests
from halospec.charts.chart import NothingToDraw, Picture
from halospec.charts.style import (
    INK,
    PALE,
    PHASE_LOOK,
    canvas,
    modes_with_successes,
    phase_markers,
    spread_out,
)

_BAR_WIDTH = 0.68


def fixed_bars(
    requests: Requests,
    statistic: Callable[[Sequence[float]], float],
    label: str,
    caption: Callable[[int], str],
) -> Picture:
    """Draw ``statistic`` of the successful latencies of each fixed mode; ``caption`` says what n they are.

    Raises
    ------
    NothingToDraw
        If no fixed mode has a successful request.
    """
    fixed_modes = [index for index, mode in enumerate(requests.modes) if fixed_length(mode) is not None]
    fixed = requests.where(np.isin(requests.mode, fixed_modes))
    if not len(fixed):
        raise NothingToDraw("no fixed_K was run with the server's own threads")
    good, notes = modes_with_successes(fixed)
    phases = fixed.successes.phases_here
    figure, (axes,) = canvas()
    for place, seen in enumerate(good.values()):
        values = seen.latency_ms.tolist()
        height = statistic(values)
        axes.bar(place, height, width=_BAR_WIDTH, color=PALE, edgecolor=INK, linewidth=0.6, zorder=1)
        for number, phase in enumerate(phases):
            points = seen.in_phase(phase).latency_ms.tolist()
            slot = _BAR_WIDTH * 0.9 / len(phases)
            center = place + (number - (len(phases) - 1) / 2) * slot
            look = PHASE_LOOK[phase]
            axes.plot(
                [center + offset for offset in spread_out(len(points), 0.7 * slot)], points, marker=look.marker,
                color=look.color, markeredgecolor=INK, markeredgewidth=0.3, markersize=3.2, linestyle="", zorder=3,
            )  # fmt: skip
        # At the foot of the bar: on top the number would stand beside other values.
        axes.annotate(
            f"{height:.0f}\n{caption(len(values))}",
            (place, 0),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5,
            linespacing=1.15,
            color=INK,
            zorder=4,
        )
    axes.set_xticks(range(len(good)), [str(fixed_length(mode)) for mode in good])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(good) - 0.4)
    axes.set_xlabel("fixed draft length k")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    return Picture(figure, tuple(phase_markers(phases)), notes)
