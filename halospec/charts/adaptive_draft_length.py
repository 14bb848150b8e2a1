"""Which draft length an adaptive mode chose for each request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.ticker import MaxNLocator

from halospec.analysis.naming import listed
from halospec.analysis.requests import Floats, Requests
from halospec.charts.by_step import by_step
from halospec.charts.chart import Chart, Picture


def draw(requests: Requests) -> Picture:
    """Draw k by step, of a rule inside the server as the mean over a request's rounds.

    Steps whose request failed are marked, for their k was chosen too.
    """
    picture = by_step(
        requests,
        _draft_length,
        "draft length k",
        absent="the draft length was chosen inside the server, which does not say it",
        drawstyle="steps-mid",
    )
    for axes in picture.figure.axes:
        axes.set_ylim(-0.3, max(8.0, axes.get_ylim()[1]) + 0.6)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
    inside = [mode for mode, seen in requests.by_mode() if np.isnan(seen.draft_length).all()]
    drawn = [mode for mode in inside if not np.isnan(requests.of_mode(mode).mean_limit).all()]
    if not drawn:
        return picture
    note = (
        "Chosen inside the server, round by round; shown is a request's mean of the longest draft allowed, and drafts"
        f" may end earlier: {listed(drawn)}."
    )
    return replace(picture, notes=(*picture.notes, note))


def _draft_length(requests: Requests) -> Floats:
    return requests.length_in_force


ADAPTIVE_DRAFT_LENGTH = Chart("adaptive_draft_length", "Draft length chosen by adaptive modes by step", draw)
