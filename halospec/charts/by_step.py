"""One panel an adaptive mode, one line a trial: a quantity by step, its points coloured by phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from halospec.analysis.modes import fixed_length
from halospec.analysis.observation import Observation, Observations, by_block, by_mode
from halospec.analysis.printable import printable
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
    phases_seen,
)
from halospec.records.schema import Phase

Quantity = Callable[[Observation], float | None]


def by_step(
    observations: Observations, quantity: Quantity, label: str, *, absent: str, drawstyle: str = "default"
) -> Picture:
    """Draw a quantity of each step; steps where it is ``None`` have no point.

    Parameters
    ----------
    absent
        Why a mode may have no point at all.

    Raises
    ------
    NothingToDraw
        If no adaptive mode has a point.
    """
    adaptive = {mode: seen for mode, seen in by_mode(observations).items() if fixed_length(mode) is None}
    drawn = {mode: seen for mode, seen in adaptive.items() if any(quantity(one) is not None for one in seen)}
    if not drawn:
        raise NothingToDraw(absent if adaptive else "no adaptive mode was run")
    shown = tuple(one for seen in drawn.values() for one in seen)

    figure, panels = canvas(len(drawn), HEIGHT_IN if len(drawn) == 1 else 1.7 * len(drawn) + 0.6)
    for axes, (mode, seen) in zip(panels, drawn.items(), strict=True):
        _panel(axes, seen, quantity, drawstyle)
        axes.set_title(printable(mode, limit=60), loc="left")
        axes.set_ylabel(label)
    panels[-1].set_xlabel("step (measured request of the trial)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))

    phases = phases_seen(shown)
    legend = (
        *phase_markers(phases),
        *([load_patch()] if Phase.LOAD in phases else []),
        *([] if all(one.success for one in shown) else [failure_marker()]),
    )
    return Picture(figure, legend, left_out((mode for mode in adaptive if mode not in drawn), absent))


def _panel(axes: Axes, seen: Observations, quantity: Quantity, drawstyle: str) -> None:
    for first, last in _load_windows(seen):
        axes.axvspan(first - 0.5, last + 0.5, color=LOAD_SHADE, linewidth=0, zorder=0)
    trials = by_block(seen)
    for trial in trials.values():
        values = [quantity(one) for one in trial]
        axes.plot(
            [one.step for one in trial],
            # NaN interrupts the line: there is nothing to see between the steps around a failure.
            [math.nan if value is None else value for value in values],
            color=INK,
            alpha=0.45,
            linewidth=0.8,
            drawstyle=drawstyle,
            zorder=2,
        )
        for one, value in zip(trial, values, strict=True):
            if value is None:
                continue
            look = PHASE_LOOK[one.phase]
            axes.plot(
                one.step, value, marker=look.marker, color=look.color, markeredgecolor=INK, markeredgewidth=0.4,
                markersize=5.5 if len(trials) == 1 else 3.8, linestyle="", zorder=3,
            )  # fmt: skip
    for step in sorted({one.step for one in seen if not one.success}):
        axes.plot(
            step, 0, marker="x", color=INK, markersize=6, linestyle="", clip_on=False, zorder=4,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    steps = [one.step for one in seen]
    axes.set_xlim(min(steps) - 0.7, max(steps) + 0.7)


def _load_windows(seen: Observations) -> Iterator[tuple[int, int]]:
    """Yield the first and last step of each stretch that most trials spent under load."""
    first = None
    steps = sorted({one.step for one in seen})
    for step in [*steps, None]:
        at_step = [one.phase is Phase.LOAD for one in seen if one.step == step]
        if at_step and 2 * sum(at_step) > len(at_step):
            first = step if first is None else first
            last = step
        elif first is not None and last is not None:
            yield first, last
            first = None
