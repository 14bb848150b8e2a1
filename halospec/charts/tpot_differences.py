"""How much faster or slower per token each mode is than the reference, with its interval: what verdicts rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from halospec.analysis.comparisons import Comparisons, Family, ModeInPhase, comparisons
from halospec.analysis.design import Support, design_of
from halospec.analysis.naming import folded, named
from halospec.analysis.requests import Requests
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.style import FAINT_INK, INK, PHASE_LOOK, canvas, left_out, phase_markers
from halospec.records.schema import Phase

Compare = Callable[[Requests], Comparisons | None]

NAME = "tpot_differences"

_ROW_IN = 0.17
_LEAST_HEIGHT_IN = 1.6
_GROUP_HEIGHT = 0.72
_FEWEST_PERCENT, _MOST_PERCENT = -90.0, 900.0
"""An interval beyond these says nothing that is worth the room."""
_TICKS = (-90, -75, -50, -40, -30, -20, -10, -5, -2, 0, 2, 5, 10, 20, 30, 50, 100, 200, 400, 900)
_MOST_TICKS = 9
_LABEL_COLUMNS = 24
_MARGIN = 1.03


def compared_by_default(requests: Requests) -> Comparisons | None:
    """Compare the modes where the way the run was made allows it, as far as its records tell."""
    return None if design_of(requests).support is Support.DESCRIPTION else comparisons(requests)


def tpot_differences(compare: Compare = compared_by_default) -> Chart:
    """Return the chart of the differences that ``compare`` finds."""

    def draw(requests: Requests) -> Picture:
        """Draw each difference to the reference as a point with its simultaneous interval, by mode and phase."""
        found = compare(requests)
        if found is None:
            raise NothingToDraw("there are no two modes that can be compared")
        if found.primary is None:
            raise NothingToDraw("no time per output token is on record")
        if not found.primary.has_intervals:
            raise NothingToDraw("no two blocks hold the reference and another mode, so there is no interval")
        return _picture(found, found.primary, requests.modes_here)

    return Chart(NAME, "Time per output token against the reference", draw)


def _picture(found: Comparisons, family: Family, wanted: Sequence[str]) -> Picture:
    rows = [row for row in family.rows if row.has_interval]
    modes = list(dict.fromkeys(row.mode for row in rows))
    phases = [phase for phase in family.phases if any(row.phase is phase for row in rows)]
    figure, (axes,) = canvas(height_in=max(_LEAST_HEIGHT_IN, 0.6 + _ROW_IN * len(modes) * max(2, len(phases))))
    for row in rows:
        _interval(axes, row, modes.index(row.mode) + _shift(phases, row.phase))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    _percent_axis(axes, rows)
    axes.set_xlabel(f"difference to {named(found.reference)} (%), less is faster")
    axes.set_yticks(range(len(modes)), [folded(mode, _LABEL_COLUMNS) for mode in modes])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(modes) - 0.5, -0.5)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    percent = f"{100 * found.confidence:g} %"
    explained = (
        f"Lines: intervals that hold together, all {family.comparisons}, with {percent} confidence."
        if family.comparisons > 1
        else f"Line: the {percent} interval."
    )
    cut = ("An interval that leaves the picture goes on beyond it.",) if _is_cut(rows) else ()
    lacking = [mode for mode in wanted if mode not in modes and mode != found.reference]
    note = f"{explained} One that crosses 0 shows no difference, which is not to say that there is none."
    return Picture(figure, tuple(phase_markers(phases)), (note, *cut, *left_out(lacking, "no interval")))


def _shift(phases: Sequence[Phase], phase: Phase) -> float:
    return (phases.index(phase) - (len(phases) - 1) / 2) * _GROUP_HEIGHT / len(phases)


def _interval(axes: Axes, row: ModeInPhase, height: float) -> None:
    low, value, high = (_log(percent) for percent in _percents(row))
    look = PHASE_LOOK[row.phase]
    axes.plot([low, high], [height] * 2, color=look.color, linewidth=1.6, solid_capstyle="butt", zorder=2)
    axes.plot(
        value, height, marker=look.marker, color=look.color, markeredgecolor=INK, markeredgewidth=0.4, markersize=4.5,
        linestyle="", zorder=3,
    )  # fmt: skip


def _percents(row: ModeInPhase) -> tuple[float, float, float]:
    difference = row.to_reference
    if difference is None or difference.low_percent is None or difference.high_percent is None:
        raise ValueError(f"{row.mode} has no interval in {row.phase}")
    return difference.low_percent, difference.percent, difference.high_percent


def _percent_axis(axes: Axes, rows: Sequence[ModeInPhase]) -> None:
    """Let equal ratios have equal lengths, so that intervals are as symmetric as they were computed."""
    lowest = max(_FEWEST_PERCENT, min(0.0, *(_percents(row)[0] for row in rows)))
    highest = min(_MOST_PERCENT, max(0.0, *(_percents(row)[2] for row in rows)))
    low, high = _log(lowest), _log(highest)
    pad = (_MARGIN - 1) * (high - low) or _log(1)
    axes.set_xlim(low - pad, high + pad)
    ticks = [tick for tick in _TICKS if low - pad <= _log(tick) <= high + pad]
    apart = (high - low + 2 * pad) / _MOST_TICKS
    axes.xaxis.set_major_locator(FixedLocator([_log(tick) for tick in _thinned(ticks, apart)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: _signed(round(100 * math.expm1(place)))))
    axes.tick_params(axis="x", color=FAINT_INK)


def _thinned(ticks: Sequence[int], apart: float) -> list[int]:
    """Return the ticks from 0 outwards that keep a distance."""
    kept = [0]
    for side in (sorted(tick for tick in ticks if tick > 0), sorted((t for t in ticks if t < 0), reverse=True)):
        last = 0
        for tick in side:
            if abs(_log(tick) - _log(last)) >= apart:
                kept.append(tick)
                last = tick
    return sorted(kept)


def _signed(percent: int) -> str:
    return f"{percent:+d}" if percent else "0"


def _is_cut(rows: Sequence[ModeInPhase]) -> bool:
    return any(_percents(row)[0] < _FEWEST_PERCENT or _percents(row)[2] > _MOST_PERCENT for row in rows)


def _log(percent: float) -> float:
    # A difference of -100 % is what no ratio of positive times comes to, but rounding may.
    return math.log(max(1 + percent / 100, 1e-6))


TPOT_DIFFERENCES = tpot_differences()
