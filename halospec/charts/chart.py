"""What a chart is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from halospec.analysis.observation import Observations


class NothingToDraw(Exception):
    """The records hold nothing that this chart shows; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A figure's panels, the legend that stands above them and the remarks below them."""

    figure: Figure
    legend: tuple[Artist, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A chart that ``halospec plot`` can draw.

    Attributes
    ----------
    name
        Its file name and what the command line calls it.
    draw
        From the measured requests to a picture; raises :class:`NothingToDraw`.
    """

    name: str
    title: str
    draw: Callable[[Observations], Picture]
