"""The stamp over the panels of a placebo run: plain on screen and in grey print, with the data readable through it."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.patheffects import PathPatchEffect

from halospec.records.placebo import STAMP

# The letters are all but hollow, so that what lies under them stays plain; a light edge around the dark one sets them
# off from dark bars, where grey print would swallow them.
_LIGHT_EDGE = PathPatchEffect(facecolor="none", edgecolor=(1.0, 1.0, 1.0, 0.7), linewidth=2.6)
_LETTERS = PathPatchEffect(facecolor=(0.13, 0.13, 0.13, 0.10), edgecolor=(0.13, 0.13, 0.13, 0.6), linewidth=0.8)
_ABOVE_BARS_BELOW_POINTS = 2.5
_POINTS_PER_PANEL_INCH = 21
_MOST_POINTS = 60
_POINTS_PER_FLAT_PANEL_INCH = 27
_ENOUGH_POINTS = 32
"""A flat panel has the larger letters up to here, so that the stamp still goes across it."""


def stamp_panels(figure: Figure) -> None:
    """Write the stamp across each panel, so that a panel cut out of the chart bears it too."""
    panel_height_in = figure.get_figheight() / len(figure.axes)
    points = min(_MOST_POINTS, _POINTS_PER_PANEL_INCH * panel_height_in)
    points = max(points, min(_ENOUGH_POINTS, _POINTS_PER_FLAT_PANEL_INCH * panel_height_in))
    angle = math.degrees(math.atan2(0.6 * panel_height_in, figure.get_figwidth()))
    for axes in figure.axes:
        text = axes.text(
            0.5,
            0.5,
            STAMP,
            transform=axes.transAxes,
            ha="center",
            va="center",
            rotation=angle,
            fontsize=points,
            fontweight="bold",
            zorder=_ABOVE_BARS_BELOW_POINTS,
        )
        text.set_path_effects([_LIGHT_EDGE, _LETTERS])
        text.set_in_layout(False)
