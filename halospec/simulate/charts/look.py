"""What the charts of a study share: a line's look for each policy, and load as shading."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from halospec.analysis.printable import printable
from halospec.charts.style import BLUE, FAINT_INK, GREEN, LOAD_SHADE, ORANGE, SKY
from halospec.simulate.findings import ScenarioFindings, Track

_VERMILION = "#D55E00"
_PURPLE = "#CC79A7"
_SOLID = (0, ())
MOST_LINES = 7
_NAME_LIMIT = 34


@dataclass(frozen=True)
class Look:
    """How a line is told apart: by colour, and by its dashes."""

    color: str
    dashes: tuple[float, tuple[float, ...]]


_LOOKS = (
    Look(BLUE, _SOLID),
    Look(_VERMILION, (0, (5, 1.5))),
    Look(GREEN, (0, (3, 1, 1, 1))),
    Look(ORANGE, (0, (1.5, 1))),
    Look(_PURPLE, (0, (7, 1, 1, 1, 1, 1))),
    Look(SKY, (0, (2, 2))),
    Look(FAINT_INK, (0, (8, 3))),
)


def looks(scenario: ScenarioFindings) -> tuple[tuple[Track, Look], ...]:
    """Return the tracks that are drawn, the first `MOST_LINES`, each with its look."""
    return tuple(zip(scenario.tracks, _LOOKS, strict=False))


def handle(name: str, look: Look) -> Line2D:
    """Return a line's entry in the legend."""
    return Line2D([], [], color=look.color, linestyle=look.dashes, label=printable(name, limit=_NAME_LIMIT))


def shade_load(axes: Axes, scenario: ScenarioFindings) -> tuple[Patch, ...]:
    """Shade the stretches under load, and return the legend's entry for them; none if there are none."""
    for start, end in scenario.loaded:
        axes.axvspan(start, end, color=LOAD_SHADE, linewidth=0, zorder=0)
    return (Patch(facecolor=LOAD_SHADE, edgecolor="none", label="load"),) if scenario.loaded else ()


def left_out_note(scenario: ScenarioFindings) -> tuple[str, ...]:
    """Return which tracks find no room."""
    names = ", ".join(printable(track.spelling, limit=_NAME_LIMIT) for track in scenario.tracks[MOST_LINES:])
    return (f"Not drawn: {names}.",) if names else ()
