"""What charts over time have in common: which stretch they show, its phases as shades, and courses of readings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from halospec.analysis.accumulated import MOST_GAP_NS
from halospec.analysis.naming import folded, named
from halospec.analysis.printable import printable
from halospec.analysis.requests import PHASES, Floats, Ints, Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts.chart import NothingToDraw
from halospec.charts.style import (
    BLUE,
    FAINT_INK,
    GREEN,
    INK,
    LOAD_SHADE,
    ORANGE,
    PHASE_LOOK,
    SKY,
    failure_marker,
    phase_markers,
)
from halospec.records.schema import Phase

MOST_LINES = 5
"""More courses than this in one panel cannot be told apart."""

_LOOKS = ((BLUE, "-"), (ORANGE, (0, (5, 1.5))), (GREEN, (0, (1.5, 1))), (INK, (0, (5, 1, 1, 1))), (SKY, "-"))
_FEW_POINTS = 3
_MOST_POINTS = 1500
_SPANS = 500
_LEGEND_SHARE = 0.25
_MISSED = 3
"""So many times its usual distance from the one before, a reading has a gap before it."""
_SECONDS_UP_TO = 600.0
_MOST_TRIALS_SIDE_BY_SIDE = 8
_MOST_TRIALS_NAMED = 24
_NAME_COLUMNS = 14
_UPRIGHT_NAME_COLUMNS = 22
_ROOM_ABOVE = 1.1
_RECOVERY_HATCH = PHASE_LOOK[Phase.RECOVERY].hatch
_HATCH_INK = "#DADADA"


@dataclass(frozen=True)
class Stretch:
    """Part of a run on a time axis of its own, which begins at 0.

    Attributes
    ----------
    requests
        Of at least one of which there is.
    """

    requests: Requests
    started_ns: int
    ended_ns: int

    @property
    def in_minutes(self) -> bool:
        """Whether it is too long for seconds."""
        return (self.ended_ns - self.started_ns) / 1e9 > _SECONDS_UP_TO

    @property
    def label(self) -> str:
        """What its time axis is called."""
        return f"time ({'min' if self.in_minutes else 's'})"

    def at(self, moments_ns: Ints) -> Floats:
        """Return moments as places on the time axis."""
        return (moments_ns - self.started_ns) / (60e9 if self.in_minutes else 1e9)

    def of(self, requests: Requests) -> Stretch:
        """Return the same time axis with other requests."""
        return Stretch(requests, self.started_ns, self.ended_ns)


@dataclass(frozen=True, eq=False)
class Course:
    """A number as it went over time; NaN where it is not known."""

    label: str
    at_ns: Ints
    values: Floats

    def within(self, stretch: Stretch) -> Course:
        """Return its known values in a stretch."""
        kept = (self.at_ns >= stretch.started_ns) & (self.at_ns <= stretch.ended_ns) & ~np.isnan(self.values)
        return Course(self.label, self.at_ns[kept], self.values[kept])


def stretch_of(requests: Requests) -> Stretch:
    """Return the time from the first of these requests to the last.

    Raises
    ------
    NothingToDraw
        If there is none, or they have no times.
    """
    if not len(requests):
        raise NothingToDraw("no request was measured")
    timed = requests.where(requests.started_ns >= 0)
    if not len(timed):
        raise NothingToDraw("the records hold no times")
    return Stretch(timed, int(timed.started_ns.min()), max(int(timed.ended_ns.max()), int(timed.started_ns.min()) + 1))


def first_block(requests: Requests) -> tuple[Stretch, tuple[str, ...]]:
    """Return the first block of a run, with notes where there are more, and where its modes took turns.

    Raises
    ------
    NothingToDraw
        As `stretch_of`.
    """
    blocks = requests.blocks_here
    shown = stretch_of(requests.of_block(blocks[0]) if blocks else requests)
    notes = (f"Shown is block {blocks[0]} of {len(blocks)}.",) if len(blocks) > 1 else ()
    return shown, (*notes, "Modes took turns at every prompt.") if _took_turns(shown.requests) else notes


def _took_turns(requests: Requests) -> bool:
    in_order = requests.mode[np.argsort(requests.started_ns, kind="stable")]
    return int(np.count_nonzero(np.diff(in_order))) >= len(np.unique(in_order)) > 1


def require_telemetry(telemetry: TelemetryData | None) -> TelemetryData:
    """Return the telemetry.

    Raises
    ------
    NothingToDraw
        If there is none.
    """
    if telemetry is None or not len(telemetry):
        raise NothingToDraw("no telemetry was recorded")
    return telemetry


def draw_courses(axes: Axes, stretch: Stretch, courses: Sequence[Course], *, from_zero: bool = True) -> bool:
    """Draw courses as lines with a legend; tell whether there were too many readings to draw each.

    Then the range and the mean of each of many spans of time are drawn, so that no peak is lost.
    """
    thinned = False
    for course, (color, style) in zip(courses[:MOST_LINES], _LOOKS, strict=False):
        seen = course.within(stretch)
        place, values = stretch.at(seen.at_ns), seen.values
        # Matplotlib leaves a label out of the legend that begins with an underscore.
        label = re.sub("^_", " _", printable(course.label, limit=60))
        if len(values) > _MOST_POINTS:
            thinned = True
            place, lowest, values, highest = _spans(place, values)
            axes.fill_between(place, lowest, highest, color=color, alpha=0.3, linewidth=0, zorder=2)
        else:
            place, values = _with_gaps(seen.at_ns, place, values)
        axes.plot(
            place, values, color=color, linestyle=style, linewidth=0.9, label=label, zorder=3,
            marker="." if len(values) <= _FEW_POINTS else "", markersize=3,
        )  # fmt: skip
    legend = axes.legend(loc="upper left", fontsize=6, ncols=MOST_LINES, borderaxespad=0.2, handlelength=2.2)
    legend.set_in_layout(False)
    low, high = axes.get_ylim()
    low = min(0.0, low) if from_zero else low
    # Room for the legend above the lines.
    axes.set_ylim(low, high + _LEGEND_SHARE * (high - low))
    return thinned


def draw_requests(axes: Axes, stretch: Stretch, values: Floats) -> None:
    """Draw a value of each request as a line as long as it took, with its phase's marker at the end.

    The axis begins at 0; failed requests are crosses on it.
    """
    seen = stretch.requests
    good = seen.success & ~np.isnan(values)
    starts, ends = stretch.at(seen.started_ns), stretch.at(seen.ended_ns)
    axes.hlines(values[good], starts[good], ends[good], color=INK, linewidth=0.8, alpha=0.6, zorder=2)
    for phase in seen.phases_here:
        here, look = good & (seen.phase == PHASES.index(phase)), PHASE_LOOK[phase]
        axes.plot(
            ends[here], values[here], marker=look.marker, color=look.color, markeredgecolor=INK, markeredgewidth=0.3,
            markersize=3.6 if len(seen) <= 400 else 2, linestyle="", zorder=3,
        )  # fmt: skip
    if good.any():
        axes.set_ylim(0, _ROOM_ABOVE * float(values[good].max()) or 1.0)
    else:
        # Without a value, numbers on the axis would be of nothing.
        axes.set_yticks([])
    for end in ends[~seen.success]:
        axes.plot(
            end, 0, marker="x", color=INK, markersize=5, linestyle="", clip_on=False, zorder=4,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def finish(panels: Sequence[Axes], stretch: Stretch, *, with_requests: bool = True) -> tuple[Artist, ...]:
    """Shade the phases, name the trials and label the time axis; return the legend.

    Parameters
    ----------
    with_requests
        Whether one of the panels shows requests.
    """
    for phase, start, end in _phases(stretch):
        for axes in panels:
            if phase is Phase.LOAD:
                axes.axvspan(start, end, color=LOAD_SHADE, linewidth=0, zorder=0)
            elif phase is Phase.RECOVERY:
                axes.axvspan(
                    start, end, facecolor="none", edgecolor=_HATCH_INK, hatch=_RECOVERY_HATCH, linewidth=0, zorder=0
                )
    _name_trials(panels, stretch)
    begin, end = stretch.at(np.array([stretch.started_ns, stretch.ended_ns]))
    panels[-1].set_xlim(begin - 0.01 * (end - begin), end + 0.01 * (end - begin))
    panels[-1].set_xlabel(stretch.label)
    phases = stretch.requests.phases_here
    shades = (
        *([Patch(facecolor=LOAD_SHADE, edgecolor="none", label="phase load")] if Phase.LOAD in phases else []),
        *([_recovery_patch()] if Phase.RECOVERY in phases else []),
    )
    if shades and not with_requests:
        return shades
    return (*phase_markers(phases), *shades, *([] if stretch.requests.success.all() else [failure_marker()]))


def thinned_note(thinned: bool) -> tuple[str, ...]:
    """Return the note that says how many readings are drawn as few."""
    if not thinned:
        return ()
    return (f"Readings are drawn as the mean and the range of each of {_SPANS} spans of time.",)


def _recovery_patch() -> Patch:
    return Patch(facecolor="none", edgecolor=FAINT_INK, hatch=_RECOVERY_HATCH, linewidth=0, label="phase recovery")


def _phases(stretch: Stretch) -> Iterator[tuple[Phase, float, float]]:
    """Yield each run of requests in one phase, from the first's start to the last's end."""
    for number, first, last in _runs(stretch, stretch.requests.phase):
        yield PHASES[number], first, last


def _name_trials(panels: Sequence[Axes], stretch: Stretch) -> None:
    modes = list(_runs(stretch, stretch.requests.mode))
    names = stretch.requests.modes
    if len(modes) == 1:
        panels[0].set_title(named(names[modes[0][0]]), loc="left")
        return
    if len(modes) > len(stretch.requests.modes_here) or len(modes) > _MOST_TRIALS_NAMED:
        return
    upright = len(modes) > _MOST_TRIALS_SIDE_BY_SIDE
    for place, (number, first, last) in enumerate(modes):
        for axes in panels if place else ():
            axes.axvline(first, color=FAINT_INK, linewidth=0.6, zorder=1)
        panels[0].annotate(
            folded(names[number], _UPRIGHT_NAME_COLUMNS if upright else _NAME_COLUMNS),
            ((first + last) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if upright else 0,
            fontsize=6.5,
            color=INK,
        )


def _runs(stretch: Stretch, values: Ints) -> Iterator[tuple[int, float, float]]:
    order = np.argsort(stretch.requests.started_ns, kind="stable")
    starts, ends = stretch.at(stretch.requests.started_ns[order]), stretch.at(stretch.requests.ended_ns[order])
    ordered = values[order]
    edges = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
    for first, after in pairwise(edges):
        yield int(ordered[first]), float(starts[first]), float(ends[first:after].max())


def _with_gaps(at_ns: Ints, place: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Break the line where nothing was read for long, by how often this number was read otherwise."""
    apart_ns = np.diff(at_ns)
    usual_ns = float(np.median(apart_ns)) if len(apart_ns) else 0.0
    gaps = np.flatnonzero(apart_ns > max(MOST_GAP_NS, _MISSED * usual_ns)) + 1
    return np.insert(place, gaps, np.nan), np.insert(values, gaps, np.nan)


def _spans(place: Floats, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the middle, lowest, mean and highest value of each span of time; NaN where a span has none."""
    edges = np.linspace(place[0], place[-1], _SPANS + 1)
    starts = np.searchsorted(place, edges[:-1])
    counts = np.diff(np.append(starts, len(place)))
    there = counts > 0
    lowest, mean, highest = (np.full(_SPANS, np.nan) for _ in range(3))
    lowest[there] = np.minimum.reduceat(values, starts[there])
    highest[there] = np.maximum.reduceat(values, starts[there])
    mean[there] = np.add.reduceat(values, starts[there]) / counts[there]
    return (edges[:-1] + edges[1:]) / 2, lowest, mean, highest
