"""What the machine did while requests were answered: telemetry under latency, on one time axis."""

from __future__ import annotations

from halospec.analysis.energy import PEAK_NS
from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts import machine_courses
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.over_time import (
    MOST_LINES,
    Course,
    draw_courses,
    draw_requests,
    finish,
    first_block,
    require_telemetry,
    thinned_note,
)
from halospec.charts.style import canvas

NAME = "telemetry_over_time"

_PANEL_IN = 1.05


def telemetry_over_time(telemetry: TelemetryData | None = None) -> Chart:
    """Return the chart of this telemetry."""

    def draw(requests: Requests) -> Picture:
        """Draw the first block: latency of each request, and below it a panel for each kind of number that was read."""
        readings = require_telemetry(telemetry)
        stretch, notes = first_block(requests)
        kinds = {
            label: [course for course in courses if len(course.within(stretch).values)]
            for label, courses in _kinds(readings)
        }
        kinds = {label: courses for label, courses in kinds.items() if courses}
        if not kinds:
            raise NothingToDraw("nothing was read off the machine during the requests")
        figure, panels = canvas(1 + len(kinds), 0.6 + _PANEL_IN * (1 + len(kinds)))
        draw_requests(panels[0], stretch, stretch.requests.latency_ms)
        panels[0].set_ylabel("latency\n(ms)")
        thinned = False
        for axes, (label, courses) in zip(panels[1:], kinds.items(), strict=True):
            thinned |= draw_courses(axes, stretch, courses, from_zero=label != _TEMPERATURE)
            axes.set_ylabel(label)
        left_out = sum(max(0, len(courses) - MOST_LINES) for courses in kinds.values())
        return Picture(
            figure,
            finish(panels, stretch),
            (
                *notes,
                *thinned_note(thinned),
                *((f"Power is the mean of the {PEAK_NS / 1e9:g} s before.",) if _POWER in kinds else ()),
                *((f"Left out, too many for a panel: {left_out} columns.",) if left_out else ()),
            ),
        )

    return Chart(NAME, "Latency and what the machine did meanwhile", draw)


_POWER = "power\n(W)"
_TEMPERATURE = "temperature\n(°C)"


def _kinds(telemetry: TelemetryData) -> list[tuple[str, list[Course]]]:
    return [
        machine_courses.cpu(telemetry),
        ("memory\n(GiB)", machine_courses.memory(telemetry)),
        ("bandwidth\n(GB/s)", machine_courses.bandwidth(telemetry)),
        ("waiting for\n(% of time)", machine_courses.pressure(telemetry)),
        (_POWER, machine_courses.power(telemetry)),
        (_TEMPERATURE, machine_courses.temperature(telemetry)),
    ]


TELEMETRY_OVER_TIME = telemetry_over_time()
