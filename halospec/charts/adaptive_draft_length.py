"""Which draft length an adaptive mode chose for each request."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from halospec.analysis.requests import Floats, Requests
from halospec.charts.by_step import by_step
from halospec.charts.chart import Chart, Picture


def draw(requests: Requests) -> Picture:
    """Draw k by step; steps whose request failed are marked, for their k was chosen too."""
    picture = by_step(
        requests,
        _draft_length,
        "draft length k",
        absent="the draft length was chosen inside the server",
        drawstyle="steps-mid",
    )
    for axes in picture.figure.axes:
        axes.set_ylim(0, max(8.0, axes.get_ylim()[1]) + 0.6)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    return picture


def _draft_length(requests: Requests) -> Floats:
    return requests.draft_length


ADAPTIVE_DRAFT_LENGTH = Chart("adaptive_draft_length", "Draft length chosen by adaptive modes by step", draw)
