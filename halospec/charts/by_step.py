"""One panel an adaptive mode, one line a trial: a quantity by step, its points coloured by phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from halospec.analysis.modes import adapts
from halospec.analysis.printable import printable
from halospec.analysis.requests import PHASES, Floats, Requests
from halospec.charts.chart import NothingToDraw, Picture
from halospec.charts.style import (
    HEIGHT_IN,
    INK,
    LOAD_SHADE,
    PHASE_LOOK,
    canvas,
    failure_marker,
    left_out,
    load_patch,
    phase_markers,
)
from halospec.records.schema import Phase

Quantity = Callable[[Requests], Floats]
"""Of each request; NaN where there is none."""


def by_step(requests: Requests, quantity: Quantity, label: str, *, absent: str, drawstyle: str = "default") -> Picture:
    """Draw a quantity of each step; steps where it is NaN have no point.

    Parameters
    ----------
    absent
        Why a mode may have no point at all.

    Raises
    ------
    NothingToDraw
        If no adaptive mode has a point.
    """
    adaptive = {mode: seen for mode, seen in requests.by_mode() if adapts(mode)}
    drawn = {mode: seen for mode, seen in adaptive.items() if not np.isnan(quantity(seen)).all()}
    if not drawn:
        raise NothingToDraw(absent if adaptive else "no adaptive mode was run")
    shown = requests.where(np.isin(requests.mode, [requests.modes.index(mode) for mode in drawn]))

    figure, panels = canvas(len(drawn), HEIGHT_IN if len(drawn) == 1 else 1.7 * len(drawn) + 0.6)
    for axes, (mode, seen) in zip(panels, drawn.items(), strict=True):
        _panel(axes, seen, quantity, drawstyle)
        axes.set_title(printable(mode, limit=60), loc="left")
        axes.set_ylabel(label)
    panels[-1].set_xlabel("step (measured request of the trial)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))

    phases = shown.phases_here
    legend = (
        *phase_markers(phases),
        *([load_patch()] if Phase.LOAD in phases else []),
        *([] if shown.success.all() else [failure_marker()]),
    )
    return Picture(figure, legend, left_out((mode for mode in adaptive if mode not in drawn), absent))


def _panel(axes: Axes, seen: Requests, quantity: Quantity, drawstyle: str) -> None:
    for first, last in _load_windows(seen):
        axes.axvspan(first - 0.5, last + 0.5, color=LOAD_SHADE, linewidth=0, zorder=0)
    trials = [trial for _, _, trial in seen.by_trial()]
    for trial in trials:
        values = quantity(trial)
        axes.plot(
            trial.step,
            # NaN interrupts the line: there is nothing to see between the steps around a failure.
            values,
            color=INK,
            alpha=0.45,
            linewidth=0.8,
            drawstyle=drawstyle,
            zorder=2,
        )
        for step, value, phase in zip(trial.step, values, trial.phase, strict=True):
            if np.isnan(value):
                continue
            look = PHASE_LOOK[PHASES[phase]]
            axes.plot(
                step, value, marker=look.marker, color=look.color, markeredgecolor=INK, markeredgewidth=0.4,
                markersize=5.5 if len(trials) == 1 else 3.8, linestyle="", zorder=3,
            )  # fmt: skip
    for step in np.unique(seen.step[~seen.success]):
        axes.plot(
            step, 0, marker="x", color=INK, markersize=6, linestyle="", clip_on=False, zorder=4,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.set_xlim(seen.step.min() - 0.7, seen.step.max() + 0.7)


def _load_windows(seen: Requests) -> Iterator[tuple[int, int]]:
    """Yield the first and last step of each stretch that most trials spent under load."""
    steps, place = np.unique(seen.step, return_inverse=True)
    loaded = np.bincount(place, weights=seen.phase == PHASES.index(Phase.LOAD)) > np.bincount(place) / 2
    edges = np.diff(loaded.astype(int), prepend=0, append=0)
    for first, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        yield int(steps[first]), int(steps[end - 1])
