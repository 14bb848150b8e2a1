"""Time per output token, which modes are compared on."""

from __future__ import annotations

from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.requests import Requests
from halospec.analysis.statistics import tpot_ms
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.style import INK, PHASE_LOOK, canvas, left_out, name_modes, phase_patch

_GROUP_WIDTH = 0.8


def draw(requests: Requests) -> Picture:
    """Draw TPOT of each mode in each phase, with the phase's value at k = 0 as a line across."""
    shown = {mode: good for mode, good in requests.successes.by_mode() if tpot_ms(good) is not None}
    if not shown:
        raise NothingToDraw("no successful reply was streamed with at least two tokens")
    phases = [
        phase
        for phase in requests.phases_here
        if any(tpot_ms(seen.in_phase(phase)) is not None for seen in shown.values())
    ]
    width = _GROUP_WIDTH / len(phases)
    figure, (axes,) = canvas()
    for number, phase in enumerate(phases):
        look = PHASE_LOOK[phase]
        heights = {
            place + (number - (len(phases) - 1) / 2) * width: height
            for place, seen in enumerate(shown.values())
            if (height := tpot_ms(seen.in_phase(phase))) is not None
        }
        axes.bar(
            list(heights), list(heights.values()), width=width, color=look.color, hatch=look.hatch, edgecolor=INK,
            linewidth=0.5, zorder=2,
        )  # fmt: skip
        plain = tpot_ms(requests.successes.of_mode(NO_SPECULATION).in_phase(phase))
        if plain is not None:
            # Shifted dashes, so that lines at the same height are both seen.
            axes.axhline(plain, color=look.color, linewidth=0.9, linestyle=(3.5 * number, (3.5, 7)), zorder=1)
    name_modes(axes, list(shown))
    axes.set_ylabel("TPOT (ms per token)")
    legend = tuple(phase_patch(phase) for phase in phases)
    explained = "TPOT: sum of (end - first token) / sum of (tokens - 1), successful requests."
    reference = (f"Dashed: {NO_SPECULATION}, plain decoding.",) if NO_SPECULATION in shown else ()
    missing = left_out((mode for mode in requests.modes_here if mode not in shown), "time per token not known")
    return Picture(figure, legend, (" ".join((explained, *reference)), *missing))


TPOT_BY_MODE = Chart("tpot_by_mode", "Time per output token by mode and phase", draw)
