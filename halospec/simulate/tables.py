"""A study in a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from halospec.analysis.printable import printable
from halospec.analysis.table_style import new_table
from halospec.simulate.findings import Study
from halospec.simulate.grids import Grid, study_grids


def study_tables(study: Study) -> tuple[Table, ...]:
    """Return a study's tables for the terminal; what has its whole interval below 0 is bold."""
    return tuple(_table(grid) for grid in study_grids(study))


def _table(grid: Grid) -> Table:
    table = new_table(printable(grid.title), [grid.corner], [])
    for name in grid.head:
        table.add_column(Text(printable(name)), justify="right")
    if grid.caption:
        table.caption = Text(printable(grid.caption))
    for row in grid.rows:
        cells = [Text(printable(cell.text), style="bold" if cell.strong else "") for cell in row.cells]
        table.add_row(Text(printable(row.words)), *cells)
    return table
