"""What each load did on the machine, beside what was asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from halospec.analysis.accumulated import MOST_GAP_NS
from halospec.analysis.load_achieved import LoadCourse, courses
from halospec.analysis.printable import printable
from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.over_time import Course, Stretch, draw_courses, finish, first_block, thinned_note
from halospec.charts.style import canvas
from halospec.records.loads import LoadReport

NAME = "load_over_time"

_PANEL_IN = 1.3
_MOST_PANELS = 6
_MEAN_NS = 500_000_000
_AMOUNT = re.compile(r"load\.(.+)\.amount", re.DOTALL)


def load_over_time(reports: Sequence[LoadReport] = (), telemetry: TelemetryData | None = None) -> Chart:
    """Return the chart of the loads that these reports tell of, or else the telemetry."""

    def draw(requests: Requests) -> Picture:
        """Draw the first block, a panel for each load: what it achieved, and what its course in time asked for."""
        loads = courses(reports) or tuple(_of_telemetry(telemetry))
        if not loads:
            raise NothingToDraw("no load ever ran")
        stretch, notes = first_block(requests)
        drawn = ((load, _lines(load, stretch)) for load in loads)
        ran = [(load, lines) for load, lines in drawn if any(len(line.within(stretch).values) for line in lines)]
        if not ran:
            raise NothingToDraw("no load ran during the requests")
        shown = ran[:_MOST_PANELS]
        figure, panels = canvas(len(shown), 0.8 + _PANEL_IN * len(shown))
        thinned = False
        for axes, (load, lines) in zip(panels, shown, strict=True):
            thinned |= draw_courses(axes, stretch, lines)
            axes.set_ylabel(printable(load.unit, limit=20))
            axes.text(
                0.99, 0.97, printable(load.name, limit=70), transform=axes.transAxes, ha="right", va="top",
                fontsize=6.5, in_layout=False,
            )  # fmt: skip
        left_out = (f"Left out, too many: {len(ran) - len(shown)} loads.",) if len(ran) > len(shown) else ()
        means = f"Lines are means over {_MEAN_NS / 1e9:g} to {2 * _MEAN_NS / 1e9:g} s, or over all of a shorter load."
        return Picture(
            figure, finish(panels, stretch, with_requests=False), (*notes, means, *thinned_note(thinned), *left_out)
        )

    return Chart(NAME, "Load achieved against its target", draw)


def _lines(load: LoadCourse, shown: Stretch) -> list[Course]:
    means = load.averaged(_MEAN_NS)
    # Each mean is a line as long as the time that it is over, as far as that is shown.
    edges_ns = np.clip(np.stack([means.started_ns, means.ended_ns], axis=1), shown.started_ns, shown.ended_ns)
    seen = edges_ns[:, 1] > edges_ns[:, 0]
    lines = [
        Course("achieved", edges_ns[seen].ravel(), np.repeat(means.amount[seen], 2)),
        Course("target", edges_ns[seen].ravel(), np.repeat(means.target[seen], 2)),
    ]
    return [line for line in lines if not np.isnan(line.values).all()]


def _of_telemetry(telemetry: TelemetryData | None) -> Iterator[LoadCourse]:
    """Yield loads as they were at each reading, which stands for the time since the one before."""
    if telemetry is None or not len(telemetry):
        return
    before_ns = np.concatenate([telemetry.at_ns[:1], telemetry.at_ns[:-1]])
    for column, amount in telemetry.columns.items():
        found = _AMOUNT.fullmatch(column)
        if found is None:
            continue
        on = ~np.isnan(amount) & (telemetry.at_ns > before_ns) & (telemetry.at_ns - before_ns <= MOST_GAP_NS)
        if on.any():
            yield LoadCourse(
                name=found[1],
                unit="amount",
                offered=None,
                trials=1,
                started_ns=before_ns[on],
                ended_ns=telemetry.at_ns[on],
                amount=amount[on],
                target=telemetry.column(f"load.{found[1]}.target")[on],
            )


LOAD_OVER_TIME = load_over_time()
