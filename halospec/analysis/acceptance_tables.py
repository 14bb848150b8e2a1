"""Acceptance by position as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from halospec.analysis.acceptance_by_position import FEWEST_TRIALS, AcceptanceByPosition, PositionAcceptance
from halospec.analysis.table_style import MISSING, mode_name, new_table

POSITIONS_SHOWN = 8


def acceptance_tables(found: Sequence[AcceptanceByPosition]) -> list[RenderableType]:
    """Return one row for each mode and phase in which anything was drafted."""
    longest = max((len(row.positions) for row in found), default=0)
    shown = min(longest, POSITIONS_SHOWN)
    columns = ("rounds", *(f"{position}\n%" for position in range(1, shown + 1)))
    table = new_table("Acceptance by position in the draft", ["mode", "phase"], columns)
    previous = None
    for row in found:
        cells = [_share(one) for one in row.positions[:shown]]
        table.add_row(
            mode_name(row.mode) if row.mode != previous else Text(""),
            row.phase.value,
            str(row.rounds),
            *cells,
            *[MISSING] * (shown - len(cells)),
        )
        previous = row.mode
    beyond = f" Positions beyond {shown} stand in summary.json." if longest > shown else ""
    return [
        table,
        Text(
            "Tokens kept at a position, of the rounds that drafted it and kept all before it (Kaplan and Meier); ±: the"
            " longer side of Wilson's 95 % interval, which takes rounds for independent. Positions that fewer than"
            f" {FEWEST_TRIALS} rounds reached are left out.{beyond}",
            style="dim",
        ),
    ]


def _share(one: PositionAcceptance) -> str:
    share = one.acceptance
    return f"{100 * share.value:.0f}±{100 * max(share.high - share.value, share.value - share.low):.0f}"
