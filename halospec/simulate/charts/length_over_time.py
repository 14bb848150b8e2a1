"""Which draft lengths each policy used through a scenario, against those of the phase oracle."""

from __future__ import annotations

import numpy as np

from halospec.charts.chart import Picture
from halospec.charts.style import canvas
from halospec.simulate.charts.look import Look, handle, left_out_note, looks, shade_load
from halospec.simulate.findings import ScenarioFindings

_PANEL_IN = 0.95
_ORACLE_LOOK = Look("#999999", (0, ()))


def length_over_time(scenario: ScenarioFindings) -> Picture:
    """Draw each policy's mean draft length, stretch by stretch, in a panel of its own that has the oracle's as well.

    Where policies moved the threads, the last panel shows those. The best fixed length has no panel beside others.
    """
    best_fixed = f"fixed_{scenario.best_fixed}"
    chosen = [one for one in looks(scenario) if one[0].spelling != best_fixed]
    drawn = chosen or looks(scenario)
    moving = [(track, look) for track, look in drawn if track.moves_threads]
    rows = len(drawn) + bool(moving)
    figure, panels = canvas(rows=rows, height_in=0.4 + _PANEL_IN * rows)
    middles = np.convolve(scenario.edges, [0.5, 0.5], mode="valid")
    shades = [shade_load(axes, scenario) for axes in panels]
    most = max(max(scenario.oracle_k), *(max(track.k) for track, _ in drawn))
    for axes, (track, look) in zip(panels, drawn, strict=False):
        axes.stairs(scenario.oracle_k, scenario.edges, baseline=None, color=_ORACLE_LOOK.color, linewidth=2.4)
        axes.plot(middles, track.k, color=look.color, linewidth=1.0)
        axes.set_ylim(-0.4, most + 0.4)
        axes.set_ylabel("k")
    for track, look in moving:
        panels[-1].plot(middles, track.threads, color=look.color, linewidth=1.0)
    if moving:
        panels[-1].set_ylabel("threads")
    panels[-1].set_xlabel("token of the scenario")
    panels[-1].set_xlim(0, scenario.tokens)
    for axes, (track, look) in zip(panels, drawn, strict=False):
        name = handle(track.spelling, Look(look.color, (0, ())))
        axes.legend(handles=[name], loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    legend = (handle("phase oracle", _ORACLE_LOOK), *shades[0])
    return Picture(figure, legend, ("Tokens drafted, averaged over each stretch; one seed.", *left_out_note(scenario)))
