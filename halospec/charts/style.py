"""The look that all charts share: readable in colour, in grey print and with any colour vision.

Colours are those of Okabe and Ito (2008), chosen so that their lightness differs as well; a marker or a hatch repeats
what each colour says.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from halospec.analysis.naming import folded, named
from halospec.analysis.printable import printable
from halospec.analysis.requests import Requests
from halospec.charts.chart import NothingToDraw, Picture
from halospec.records.placebo import stamped
from halospec.records.schema import Phase

WIDTH_IN = 6.5
HEIGHT_IN = 3.1
DPI = 200

INK = "#222222"
FAINT_INK = "#666666"
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
SKY = "#56B4E9"
YELLOW = "#F0E442"
PALE = "#D9D9D9"
LOAD_SHADE = "#EDEDED"


@dataclass(frozen=True)
class PhaseLook:
    """How a phase is told apart: by colour, and by marker or hatch."""

    color: str
    marker: str
    hatch: str


PHASE_LOOK = MappingProxyType(
    {
        Phase.STEADY: PhaseLook(BLUE, "o", ""),
        Phase.LOAD: PhaseLook(ORANGE, "^", "////"),
        Phase.RECOVERY: PhaseLook(GREEN, "s", "...."),
    }
)

_RC = MappingProxyType(
    {
        # A mode or model name may hold "$"; it is a name, not a formula.
        "text.parse_math": False,
        "text.usetex": False,
        # The same records give the same bytes.
        "svg.hashsalt": "halospec",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.titlecolor": INK,
        "axes.labelsize": 8,
        "axes.edgecolor": FAINT_INK,
        "axes.linewidth": 0.6,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": "#E3E3E3",
        "grid.linewidth": 0.5,
        "xtick.color": FAINT_INK,
        "ytick.color": FAINT_INK,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "hatch.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
        "legend.handletextpad": 0.5,
        "legend.columnspacing": 1.4,
    }
)

_MARGIN_IN = 0.08
_TITLE_IN = 0.23
_LINE_IN = 0.15
_LEGEND_IN = 0.24
_GAP_IN = 0.08
_SUBTITLE_COLUMNS = 104
_LABEL_COLUMNS = 18
_NOTE_COLUMNS = 122


def drawing_rules() -> AbstractContextManager[None]:
    """Return the context in which a chart is both drawn and saved."""
    parameters: Any = dict(_RC)  # newer matplotlib stubs want literal keys, older ones do not know them
    return mpl.rc_context(parameters)


def canvas(rows: int = 1, height_in: float = HEIGHT_IN) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of ``rows`` panels that share their x axis."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False)
    return figure, list(grid[:, 0])


def head_and_foot(picture: Picture, title: str, subtitle: str) -> None:
    """Write title, subtitle and legend above the panels and the notes below; the figure grows for them."""
    figure = picture.figure
    head = stamped(title) if picture.placebo else title
    above = textwrap.wrap(printable(subtitle), _SUBTITLE_COLUMNS)
    below = [line for note in picture.notes for line in textwrap.wrap(printable(note), _NOTE_COLUMNS)]
    legend_top_in = _MARGIN_IN + _TITLE_IN + _LINE_IN * len(above)
    head_in = legend_top_in + _LEGEND_IN
    body_in = figure.get_figheight()
    foot_in = _GAP_IN + _LINE_IN * len(below) + _MARGIN_IN
    height_in = head_in + body_in + foot_in
    figure.set_figheight(height_in)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        left = _MARGIN_IN / 2 / WIDTH_IN
        engine.set(rect=(left, foot_in / height_in, 1 - left, body_in / height_in))

    def write(lines: Iterable[str], top_in: float, **text: Any) -> None:
        for number, line in enumerate(lines):
            y = 1 - (top_in + number * _LINE_IN) / height_in
            figure.text(_MARGIN_IN / WIDTH_IN, y, line, ha="left", va="top", **text)

    write([printable(head)], _MARGIN_IN, fontsize=10, fontweight="bold", color=INK)
    write(above, _MARGIN_IN + _TITLE_IN, fontsize=7.5, color=FAINT_INK)
    write(below, head_in + body_in + _GAP_IN, fontsize=7, color=FAINT_INK)
    figure.legend(
        handles=list(picture.legend),
        loc="upper left",
        bbox_to_anchor=(_MARGIN_IN / WIDTH_IN, 1 - legend_top_in / height_in),
        ncols=len(picture.legend),
        borderaxespad=0,
        borderpad=0.5,
    )


def name_modes(axes: Axes, modes: Sequence[str]) -> None:
    """Write the modes under the x axis, slanted if they would run into each other."""
    labels = [folded(mode, _LABEL_COLUMNS) for mode in modes]
    crowded = max(len(line) for label in labels for line in label.split("\n")) * len(labels) > 90
    axes.set_xticks(range(len(labels)), labels, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    axes.tick_params(axis="x", length=0, pad=6)
    axes.set_xlim(-0.6, len(labels) - 0.4)


def phase_markers(phases: Iterable[Phase]) -> list[Line2D]:
    """Return legend entries for points of these phases."""
    return [
        Line2D(
            [], [], linestyle="", marker=PHASE_LOOK[phase].marker, color=PHASE_LOOK[phase].color,
            markeredgecolor=INK, markeredgewidth=0.4, markersize=5, label=phase.value,
        )
        for phase in phases
    ]  # fmt: skip


def phase_patch(phase: Phase) -> Patch:
    """Return the legend entry for bars of a phase."""
    look = PHASE_LOOK[phase]
    return Patch(facecolor=look.color, hatch=look.hatch, edgecolor=INK, linewidth=0.5, label=phase.value)


def failure_marker() -> Line2D:
    """Return the legend entry for failed requests."""
    return Line2D([], [], linestyle="", marker="x", color=INK, markersize=5, label="failed")


def load_patch() -> Patch:
    """Return the legend entry for the shaded load window."""
    return Patch(facecolor=LOAD_SHADE, edgecolor="none", label="load window")


def modes_with_successes(requests: Requests) -> tuple[dict[str, Requests], tuple[str, ...]]:
    """Return each mode's successful requests, and a note that names the modes that have none.

    Raises
    ------
    NothingToDraw
        If no mode has any.
    """
    good = dict(requests.successes.by_mode())
    if not good:
        raise NothingToDraw("no request succeeded")
    return good, left_out((mode for mode in requests.modes_here if mode not in good), "no successful request")


def left_out(modes: Iterable[str], reason: str) -> tuple[str, ...]:
    """Return the note that names modes without data; none if there are none."""
    names = ", ".join(named(mode) for mode in modes)
    return (f"Left out, {reason}: {names}.",) if names else ()


def spread_out(count: int, width: float) -> list[float]:
    """Return offsets that keep ``count`` points of one column apart, the same every time."""
    golden = 0.618033988749895
    return [((number * golden) % 1 - 0.5) * width for number in range(count)]
