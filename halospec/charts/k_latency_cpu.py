"""Draft length, latency and CPU together: what a rule did when the machine changed, and what came of it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from halospec.analysis.modes import adapts
from halospec.analysis.naming import listed, named
from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts import machine_courses
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.over_time import (
    Stretch,
    draw_courses,
    draw_requests,
    finish,
    first_block,
    require_telemetry,
    stretch_of,
    thinned_note,
)
from halospec.charts.style import INK, canvas

NAME = "k_latency_cpu"

_HEIGHT_IN = 4.2


def k_latency_cpu(telemetry: TelemetryData | None = None) -> Chart:
    """Return the chart of this telemetry."""

    def draw(requests: Requests) -> Picture:
        """Draw the first trial of an adaptive mode; where there is none, the first block."""
        readings = require_telemetry(telemetry)
        stretch, notes = _shown(requests)
        label, courses = machine_courses.cpu(readings)
        courses = [course for course in courses if len(course.within(stretch).values)]
        if not courses:
            raise NothingToDraw("the CPU was not read during the requests")
        lengths = stretch.requests.length_in_force
        if np.isnan(lengths).all():
            raise NothingToDraw("the draft length was chosen inside the server, which does not say it")

        figure, panels = canvas(3, _HEIGHT_IN)
        _draw_lengths(panels[0], stretch)
        draw_requests(panels[1], stretch, stretch.requests.latency_ms)
        panels[1].set_ylabel("latency (ms)")
        thinned = draw_courses(panels[2], stretch, courses)
        panels[2].set_ylabel(label)
        return Picture(figure, finish(panels, stretch), (*notes, *thinned_note(thinned)))

    return Chart(NAME, "Draft length, latency and CPU over time", draw)


def _shown(requests: Requests) -> tuple[Stretch, tuple[str, ...]]:
    adaptive = [mode for mode in requests.modes_here if adapts(mode)]
    if not adaptive:
        return first_block(requests)
    mode, *others = adaptive
    of_mode = requests.of_mode(mode)
    blocks = of_mode.blocks_here
    notes = [f"Shown is {named(mode)} in block {blocks[0]} of {len(blocks)}."] if len(blocks) > 1 else []
    notes += [f"Not shown: {listed(others)}."] if others else []
    return stretch_of(of_mode.of_block(blocks[0])), tuple(notes)


def _draw_lengths(axes: Axes, stretch: Stretch) -> None:
    seen = stretch.requests.taken(np.argsort(stretch.requests.started_ns, kind="stable"))
    place = stretch.at(seen.started_ns)
    # Each length holds from its request on; the last one until its request's end.
    axes.plot(
        np.append(place, stretch.at(seen.ended_ns[-1:])),
        np.append(seen.length_in_force, seen.length_in_force[-1:]),
        color=INK, linewidth=0.9, drawstyle="steps-post", zorder=3,
    )  # fmt: skip
    axes.set_ylabel("draft length k")
    axes.set_ylim(-0.3, max(8.0, float(np.nanmax(seen.length_in_force))) + 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


K_LATENCY_CPU = k_latency_cpu()
