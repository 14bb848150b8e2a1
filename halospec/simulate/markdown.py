"""A study as GitHub-flavoured Markdown, for a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from halospec.analysis.printable import printable
from halospec.compare.markdown import escaped
from halospec.simulate.findings import Study
from halospec.simulate.grids import Cell, Grid, Row, study_grids


def study_markdown(study: Study) -> str:
    """Return a study's tables as Markdown; what has its whole interval below 0 is bold."""
    return "\n".join(line for grid in study_grids(study) for line in grid_lines(grid))


def grid_lines(grid: Grid) -> Iterator[str]:
    """Yield one table, its title above and its caption below."""
    yield f"**{escaped(grid.title)}**"
    yield ""
    yield _line([escaped(grid.corner), *map(escaped, grid.head)])
    yield _line(["---", *("---:" for _ in grid.head)])
    for row in grid.rows:
        yield _line([_name(row), *map(_cell, row.cells)])
    yield ""
    if grid.caption:
        yield escaped(grid.caption)
        yield ""


def _name(row: Row) -> str:
    if not row.spelling:
        return escaped(row.words)
    return " against ".join(_code(name) for name in (row.name, row.other) if name is not None)


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', '').replace('|', '')}`"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text) if cell.foreign else cell.text
    return f"**{text}**" if cell.strong else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
