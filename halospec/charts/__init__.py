"""Charts of a run: one file a chart, and the table that ``halospec plot`` lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halospec.analysis.energy import energy
from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts.adaptive_draft_length import ADAPTIVE_DRAFT_LENGTH
from halospec.charts.adaptive_latency import ADAPTIVE_LATENCY
from halospec.charts.chart import Chart, NothingToDraw
from halospec.charts.energy_by_mode import ENERGY_BY_MODE, energy_by_mode
from halospec.charts.fixed_mean_latency import FIXED_MEAN_LATENCY
from halospec.charts.fixed_p95_latency import FIXED_P95_LATENCY
from halospec.charts.k_latency_cpu import K_LATENCY_CPU, k_latency_cpu
from halospec.charts.latency_by_phase import LATENCY_BY_PHASE
from halospec.charts.load_over_time import LOAD_OVER_TIME, load_over_time
from halospec.charts.score_by_mode import SCORE_BY_MODE
from halospec.charts.style import DPI, drawing_rules, head_and_foot
from halospec.charts.telemetry_over_time import TELEMETRY_OVER_TIME, telemetry_over_time
from halospec.charts.tpot_by_mode import TPOT_BY_MODE
from halospec.charts.tpot_differences import TPOT_DIFFERENCES, Compare, compared_by_default, tpot_differences
from halospec.records.loads import LoadReport
from halospec.records.store import write_whole

__all__ = ["CHARTS", "FORMATS", "Chart", "DrawnCharts", "NothingToDraw", "SkippedChart", "charts_of", "draw_charts"]

CHARTS: Mapping[str, Chart] = MappingProxyType(
    {
        chart.name: chart
        for chart in (
            ADAPTIVE_LATENCY,
            ADAPTIVE_DRAFT_LENGTH,
            LATENCY_BY_PHASE,
            FIXED_MEAN_LATENCY,
            FIXED_P95_LATENCY,
            SCORE_BY_MODE,
            TPOT_BY_MODE,
            TPOT_DIFFERENCES,
            TELEMETRY_OVER_TIME,
            LOAD_OVER_TIME,
            K_LATENCY_CPU,
            ENERGY_BY_MODE,
        )
    }
)

FORMATS = ("png", "svg")


@dataclass(frozen=True)
class SkippedChart:
    """A chart that the records hold nothing for."""

    name: str
    reason: str


@dataclass(frozen=True)
class DrawnCharts:
    """The files that were written, and the charts that were not drawn."""

    paths: tuple[Path, ...]
    skipped: tuple[SkippedChart, ...]


def draw_charts(
    requests: Requests,
    subtitle: str,
    out_dir: Path,
    names: Collection[str] | None = None,
    formats: Collection[str] = FORMATS,
    *,
    compare: Compare = compared_by_default,
    telemetry: TelemetryData | None = None,
    loads: Sequence[LoadReport] = (),
) -> DrawnCharts:
    """Draw charts of one run into ``out_dir`` as ``NAME.FORMAT``.

    Parameters
    ----------
    subtitle
        What was measured, where and when; stands under every title.
    names
        Keys of :data:`CHARTS`; all of them if ``None``.
    compare
        How the modes are compared, so that charts and verdicts say the same.
    telemetry, loads
        What was read off the machine meanwhile, and what was put on it; charts of either are skipped without.

    Raises
    ------
    ValueError
        If a name or a format is not known.
    StoreError
        If a file cannot be written.
    """
    chosen = list(CHARTS) if names is None else list(names)
    _require_known("chart", chosen, CHARTS)
    _require_known("format", formats, FORMATS)
    charts = charts_of(requests, compare=compare, telemetry=telemetry, loads=loads)
    paths: list[Path] = []
    skipped: list[SkippedChart] = []
    for name in chosen:
        with drawing_rules():
            try:
                figure = _figure(charts[name], requests, subtitle)
            except NothingToDraw as nothing:
                skipped.append(SkippedChart(name, str(nothing)))
                continue
            for suffix in formats:
                path = out_dir / f"{name}.{suffix}"
                write_whole(path, _encoded(figure, suffix))
                paths.append(path)
    return DrawnCharts(tuple(paths), tuple(skipped))


def charts_of(
    requests: Requests,
    *,
    compare: Compare = compared_by_default,
    telemetry: TelemetryData | None = None,
    loads: Sequence[LoadReport] = (),
) -> Mapping[str, Chart]:
    """Return all charts by name, as those of one run: what `draw_charts` draws."""
    of_this_run = (
        tpot_differences(compare),
        telemetry_over_time(telemetry),
        load_over_time(loads, telemetry),
        k_latency_cpu(telemetry),
        energy_by_mode(energy(requests, telemetry)),
    )
    return {**CHARTS, **{chart.name: chart for chart in of_this_run}}


def _figure(chart: Chart, requests: Requests, subtitle: str) -> Figure:
    picture = chart.draw(requests)
    FigureCanvasAgg(picture.figure)
    head_and_foot(picture, chart.title, subtitle)
    return picture.figure


def _encoded(figure: Figure, suffix: str) -> bytes:
    # Dates and version numbers would make equal pictures differ.
    metadata = {"svg": {"Date": None}, "png": {"Software": None}}[suffix]
    buffer = BytesIO()
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _require_known(what: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"There is no {what} {name!r}; there are {', '.join(known)}.")
