"""What a chart is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from halospec.analysis.requests import Requests
from halospec.charts.stamp import stamp_panels
from halospec.records.placebo import MEANING, STAMP


class NothingToDraw(Exception):
    """The records hold nothing that this chart shows; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A figure's panels, the legend that stands above them and the remarks below them.

    Attributes
    ----------
    placebo
        Whether the panels bear the stamp, and the title has to.
    """

    figure: Figure
    legend: tuple[Artist, ...]
    notes: tuple[str, ...] = ()
    placebo: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart that ``halospec plot`` can draw.

    Attributes
    ----------
    name
        Its file name and what the command line calls it.
    panels
        From the measured requests to a picture; raises :class:`NothingToDraw`.
    """

    name: str
    title: str
    panels: Callable[[Requests], Picture]

    def draw(self, requests: Requests) -> Picture:
        """Return the picture of the measured requests among these, stamped where they are those of a placebo run.

        The one way to draw a chart.

        Raises
        ------
        NothingToDraw
            If the requests hold nothing that this chart shows.
        """
        picture = self.panels(requests.measured)
        if not requests.placebo:
            return picture
        stamp_panels(picture.figure)
        return replace(picture, notes=(f"{STAMP}. {MEANING}", *picture.notes), placebo=True)
