"""What a token costs in energy."""

from __future__ import annotations

from halospec.analysis.energy import Energy, EnergyUse
from halospec.analysis.printable import printable
from halospec.analysis.requests import PHASES, Requests
from halospec.charts.chart import Chart, NothingToDraw, Picture
from halospec.charts.style import INK, PHASE_LOOK, canvas, left_out, name_modes, phase_patch
from halospec.records.schema import Phase

NAME = "energy_by_mode"

_GROUP_WIDTH = 0.8


def energy_by_mode(found: Energy | None = None) -> Chart:
    """Return the chart of the energy that was found."""

    def draw(requests: Requests) -> Picture:
        """Draw joules per token of each mode in each phase, net where the idle power is known."""
        if found is None or not found.counted:
            raise NothingToDraw("nothing that was read off the machine counts energy")
        heights = {(use.mode, use.phase): height for use in found.uses if (height := _height(found, use)) is not None}
        if not heights:
            raise NothingToDraw("no energy per token is known")
        modes = [mode for mode in requests.modes_here if any(mode == known for known, _ in heights)]
        phases = [phase for phase in PHASES if any(phase is known for _, known in heights)]
        width = _GROUP_WIDTH / len(phases)
        figure, (axes,) = canvas()
        for number, phase in enumerate(phases):
            look = PHASE_LOOK[phase]
            bars = {
                place + (number - (len(phases) - 1) / 2) * width: heights[mode, phase]
                for place, mode in enumerate(modes)
                if (mode, phase) in heights
            }
            axes.bar(
                list(bars), list(bars.values()), width=width, color=look.color, hatch=look.hatch, edgecolor=INK,
                linewidth=0.5, zorder=2,
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.6, zorder=3)
        name_modes(axes, modes)
        axes.set_ylabel("energy (J per token)")
        missing = left_out((mode for mode in requests.modes_here if mode not in modes), "energy per token not known")
        return Picture(figure, tuple(map(phase_patch, phases)), (_explained(found, phases), *missing))

    return Chart(NAME, "Energy per token by mode and phase", draw)


def _height(found: Energy, use: EnergyUse) -> float | None:
    return use.joules_per_token if found.idle_w is None else use.net_joules_per_token


def _explained(found: Energy, phases: list[Phase]) -> str:
    idle = (
        "idle power, which is not known, included"
        if found.idle_w is None
        else f"less {found.idle_w:.1f} W of idle power"
    )
    counted = ", ".join(printable(name, limit=40) for name in found.counted)
    under_load = " In phase load it holds what the load draws." if Phase.LOAD in phases else ""
    return f"Sum of joules / sum of tokens of successful requests: {counted}, {idle}.{under_load}"


ENERGY_BY_MODE = energy_by_mode()
