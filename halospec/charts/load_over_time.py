"""What each load did on the machine, beside what was asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from halospec.analysis.load_achieved import courses
from halospec.analysis.printable import printable
from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.over_time import Course, draw_courses, finish, first_block, thinned_note
from halospec.charts.style import canvas
from halospec.records.loads import LoadReport

NAME = "load_over_time"

_PANEL_IN = 1.3
_MOST_PANELS = 6
_AMOUNT = re.compile(r"load\.(.+)\.amount", re.DOTALL)


def load_over_time(reports: Sequence[LoadReport] = (), telemetry: TelemetryData | None = None) -> Chart:
    """Return the chart of the loads that these reports tell of, or else the telemetry."""

    def draw(requests: Requests) -> Picture:
        """Draw the first block, a panel for each load: what it achieved, and what its course in time asked for."""
        loads = list(_of_reports(reports)) or list(_of_telemetry(telemetry))
        if not loads:
            raise NothingToDraw("no load ever ran")
        stretch, notes = first_block(requests)
        ran = [
            (title, unit, lines)
            for title, unit, lines in loads
            if any(len(line.within(stretch).values) for line in lines)
        ]
        if not ran:
            raise NothingToDraw("no load ran during the requests")
        shown = ran[:_MOST_PANELS]
        figure, panels = canvas(len(shown), 0.8 + _PANEL_IN * len(shown))
        thinned = False
        for axes, (title, unit, lines) in zip(panels, shown, strict=True):
            thinned |= draw_courses(axes, stretch, lines)
            axes.set_ylabel(printable(unit, limit=20))
            axes.text(
                0.99, 0.97, printable(title, limit=70), transform=axes.transAxes, ha="right", va="top", fontsize=6.5,
                in_layout=False,
            )  # fmt: skip
        left_out = (f"Left out, too many: {len(ran) - len(shown)} loads.",) if len(ran) > len(shown) else ()
        return Picture(
            figure, finish(panels, stretch, with_requests=False), (*notes, *thinned_note(thinned), *left_out)
        )

    return Chart(NAME, "Load achieved against its target", draw)


def _of_reports(reports: Sequence[LoadReport]) -> Iterator[tuple[str, str, list[Course]]]:
    for course in courses(reports):
        middle_ns = course.started_ns + (course.ended_ns - course.started_ns) // 2
        lines = [Course("achieved", middle_ns, course.amount), Course("target", middle_ns, course.target)]
        yield course.name, course.unit, _known(lines)


def _of_telemetry(telemetry: TelemetryData | None) -> Iterator[tuple[str, str, list[Course]]]:
    for column in telemetry.columns if telemetry else ():
        found = _AMOUNT.fullmatch(column)
        if telemetry is None or found is None:
            continue
        lines = [
            Course("achieved", telemetry.at_ns, telemetry.column(column)),
            Course("target", telemetry.at_ns, telemetry.column(f"load.{found[1]}.target")),
        ]
        yield found[1], "amount", _known(lines)


def _known(lines: Sequence[Course]) -> list[Course]:
    return [line for line in lines if not np.isnan(line.values).all()]


LOAD_OVER_TIME = load_over_time()
