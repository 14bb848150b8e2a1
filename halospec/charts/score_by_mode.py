"""The original's score of each mode, and what it is made of."""

from __future__ import annotations

from matplotlib.patches import Patch

from halospec.analysis.requests import Requests
from halospec.analysis.statistics import P95_WEIGHT, SPREAD_WEIGHT, latency
from halospec.charts.chart import Chart, Picture
from halospec.charts.style import (
    BLUE,
    INK,
    ORANGE,
    SKY,
    canvas,
    modes_with_successes,
    name_modes,
)


def draw(requests: Requests) -> Picture:
    """Draw the score as a stack of its three parts."""
    good, notes = modes_with_successes(requests)
    figure, (axes,) = canvas()
    looks = {
        "mean": (BLUE, ""),
        f"{P95_WEIGHT} p95": (SKY, "////"),
        f"{SPREAD_WEIGHT} sd": (ORANGE, "...."),
    }
    for place, seen in enumerate(good.values()):
        spread = latency(seen)
        if spread is None:
            continue
        bottom = 0.0
        parts = (spread.mean, P95_WEIGHT * spread.p95, SPREAD_WEIGHT * spread.sd)
        for part, (color, hatch) in zip(parts, looks.values(), strict=True):
            axes.bar(place, part, bottom=bottom, width=0.66, color=color, hatch=hatch, edgecolor=INK, linewidth=0.5)
            bottom += part
        axes.annotate(
            f"{spread.score:.0f}\nn = {len(seen)}",
            (place, bottom),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=6.5,
            linespacing=1.15,
            color=INK,
        )
    name_modes(axes, list(good))
    axes.set_ylabel("score (ms)")
    axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
    legend = tuple(
        Patch(facecolor=color, hatch=hatch, edgecolor=INK, linewidth=0.5, label=name)
        for name, (color, hatch) in looks.items()
    )
    explained = "Lower is better, but a lower score is not by itself evidence of a difference. Successes of all phases."
    return Picture(figure, legend, (explained, *_unequal_phases(requests), *notes))


def _unequal_phases(requests: Requests) -> tuple[str, ...]:
    phases = {seen.phases_here for _, seen in requests.successes.by_mode()}
    if len(phases) == 1:
        return ()
    return ("The modes did not all run in the same phases: their scores cannot be compared.",)


SCORE_BY_MODE = Chart("score_by_mode", "Score by mode: mean + 0.5 p95 + 0.2 sd", draw)
