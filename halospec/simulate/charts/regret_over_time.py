"""How each policy's regret grows through a scenario."""

from __future__ import annotations

from halospec.charts.chart import Picture
from halospec.charts.style import INK, canvas
from halospec.simulate.charts.look import handle, left_out_note, looks, shade_load
from halospec.simulate.findings import ScenarioFindings


def regret_over_time(scenario: ScenarioFindings) -> Picture:
    """Draw the summed time beyond the phase oracle's, token by token: the flatter a line, the closer it comes.

    The oracle has the server's own threads, so policies that move the threads may leave it far below: they have a panel
    of their own.
    """
    drawn = looks(scenario)
    groups = [[one for one in drawn if one[0].moves_threads is moves] for moves in (False, True)]
    shown = [group for group in groups if group]
    figure, panels = canvas(rows=len(shown), height_in=2.6 * len(shown))
    shades = [shade_load(axes, scenario) for axes in panels]
    for axes, group in zip(panels, shown, strict=True):
        handles = []
        for track, look in group:
            axes.plot(scenario.edges, (0.0, *track.regret_s), color=look.color, linestyle=look.dashes, linewidth=1.2)
            handles.append(handle(track.spelling, look))
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set_ylabel("regret (s)")
        # Beside the panel: spellings are long, and above it they would not fit into one line.
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    panels[-1].set_xlim(0, scenario.tokens)
    panels[-1].set_xlabel("token of the scenario")
    oracle = "; ".join(f"{kind.label}: k = {kind.best}" for kind in scenario.kinds)
    note = f"Phase oracle: {oracle}. Best fixed: k = {scenario.best_fixed}. Means over {scenario.seeds} seeds."
    return Picture(figure, shades[0], (note, *left_out_note(scenario)))
