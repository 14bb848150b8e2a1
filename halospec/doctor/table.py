"""Findings as one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from halospec.analysis.table_style import new_table
from halospec.records.fitness import Finding, State

_STYLES = {
    State.BAD: "bold red",
    State.WARNING: "yellow",
    State.NOTE: "cyan",
    State.GOOD: "green",
    State.UNKNOWN: "dim",
}
"""Gravest first: the order of the table."""
_DIM = {State.NOTE, State.UNKNOWN}


def findings_table(findings: Sequence[Finding]) -> Group:
    """Return findings as a table, the gravest first, and a line that counts them.

    What cannot be seen for the same reason shares a row, so that a system which shows little is not a wall of unknowns.
    """
    table = new_table("", ["", "", ""], [])
    table.title, table.show_header, table.padding = None, False, (0, 2, 0, 0)
    table.columns[2].no_wrap, table.columns[2].overflow = False, "fold"
    for state in _STYLES:
        _add_rows(table, [one for one in findings if one.state is state])
    return Group(table, Text(), Text(verdict(findings)))


def verdict(findings: Iterable[Finding]) -> str:
    """Return in one line what the findings come to."""
    counts = Counter(one.state for one in findings)
    if counts[State.BAD]:
        return f"Not fit to measure: {_several(counts)}."
    if counts[State.WARNING]:
        return f"Fit to measure, with more noise than need be: {_several(counts)}."
    return f"Fit to measure, as far as can be seen: {_several(counts)}."


def _several(counts: Counter[State]) -> str:
    return ", ".join(f"{counts[state]} {_word(state, counts[state])}" for state in _STYLES if counts[state])


def _word(state: State, count: int) -> str:
    return f"{state}s" if state in (State.WARNING, State.NOTE) and count > 1 else state


def _add_rows(table: Table, findings: Sequence[Finding]) -> None:
    grouped: dict[tuple[str, str | None] | str, list[Finding]] = {}
    for one in findings:
        grouped.setdefault((one.found, one.remedy) if one.state is State.UNKNOWN else one.name, []).append(one)
    for alike in grouped.values():
        first = alike[0]
        text = Text(first.found, style="dim" if first.state in _DIM else "")
        if len(alike) > 1:
            text = Text(f"{', '.join(one.name for one in alike)}: {first.found}", style="dim")
        if first.remedy is not None:
            text.append(f"\n-> {first.remedy}", style="not dim")
        name = first.name if len(alike) == 1 else f"{len(alike)} others"
        table.add_row(Text(first.state, style=_STYLES[first.state]), Text(name), text)
