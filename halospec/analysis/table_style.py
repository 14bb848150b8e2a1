"""What the tables of a run have in common: their frame, and how a number is written in a cell."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from halospec.analysis.naming import folded

MODE_WIDTH = 16
MISSING = "-"


def new_table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table with columns of texts, to the left, and of numbers."""
    table = Table(
        # As a string a title could hold markup, and some name modes and runs.
        title=Text(title, style="bold"),
        title_justify="left",
        caption_justify="left",
        caption_style="dim",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
        collapse_padding=True,
        show_edge=False,
    )
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def mode_name(mode: str) -> Text:
    """Return a mode's name, fit for a cell: on several lines where it is long."""
    return Text(folded(mode, MODE_WIDTH))


def ms(value: float | None) -> str:
    """Return milliseconds with one decimal, or none from a second on."""
    if value is None:
        return MISSING
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def seconds(duration_ms: float) -> str:
    """Return a duration with its unit."""
    return f"{duration_ms / 1000:.1f} s" if duration_ms >= 100 else f"{duration_ms:.0f} ms"


def decimals(value: float | None, places: int) -> str:
    """Return a number with so many decimals."""
    return MISSING if value is None else f"{value:.{places}f}"


def percent(share: float | None) -> str:
    """Return a share, 0 to 1, in percent."""
    return MISSING if share is None else f"{100 * share:.1f}"
