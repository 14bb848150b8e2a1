"""A run's conclusion for a terminal or a file: what it shows, and the differences between modes as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.cells import Metric
from halospec.analysis.comparisons import Comparisons, Difference, Family, ModeInPhase
from halospec.analysis.design import DesignReport, Support
from halospec.analysis.modes import fixed_length
from halospec.analysis.naming import named
from halospec.analysis.percentages import signed, smallest_detectable
from halospec.analysis.table_style import MISSING, mode_name, new_table
from halospec.inference.types import Method

_METHODS = {
    Method.T_ON_BLOCKS: "t on the log ratios of blocks, whose mean need not be that of the TPOTs",
    Method.BOOTSTRAP: "bootstrap by block and prompt, studentised",
}


def difference_tables(
    comparisons: Comparisons | None, design: DesignReport, *, details: bool = True
) -> list[RenderableType]:
    """Return the differences between modes; nothing of a design that supports no comparison.

    Parameters
    ----------
    details
        Whether fixed modes' differences to the best of them, and the secondary metrics, are wanted too.
    """
    if comparisons is None or design.support is Support.DESCRIPTION:
        return []
    return [part for table in _tables(comparisons, details=details) for part in (table, Text())]


def conclusion(design: DesignReport, verdicts: Sequence[str]) -> list[RenderableType]:
    """Return in sentences what a run shows, or why it shows nothing."""
    said = [Text(sentence) for sentence in (*verdicts, *design.sentences)]
    return [Text("What this run shows", style="bold"), *said] if said else []


def _tables(comparisons: Comparisons, *, details: bool) -> Iterator[Table]:
    if comparisons.primary is not None:
        yield _primary_table(comparisons.primary, comparisons)
        against_best = [
            row
            for row in comparisons.primary.rows
            if row.to_best_fixed is not None and (details or fixed_length(row.mode) is None)
        ]
        if against_best and comparisons.primary.has_intervals:
            yield _best_fixed_table(against_best, comparisons)
    if comparisons.secondary and details:
        yield _secondary_table(comparisons)


def _primary_table(family: Family, comparisons: Comparisons) -> Table:
    percent = f"{100 * comparisons.confidence:g}"
    table = new_table(
        f"Per token, against {named(comparisons.reference)}",
        ["mode", "phase"],
        (
            "TPOT\nms",
            f"{percent} %\ninterval",
            "difference\n%",
            f"simultaneous\n{percent} %",
            "smallest\ndetectable",
            "blocks",
        ),
    )
    table.add_column("")
    for row, is_first in _by_mode(family.rows):
        difference, interval = _difference(row.to_reference)
        table.add_row(
            mode_name(row.mode) if is_first else Text(""),
            row.phase.value,
            f"{row.value_ms:.2f}",
            MISSING if row.low_ms is None or row.high_ms is None else f"[{row.low_ms:.2f}, {row.high_ms:.2f}]",
            "reference" if row.mode == comparisons.reference else difference,
            interval,
            MISSING if row.to_reference is None else smallest_detectable(row.to_reference) or MISSING,
            str(row.blocks if row.to_reference is None else row.to_reference.blocks),
            _word(row.to_reference),
        )
    table.caption = (
        f"Less time per token is faster. Each TPOT's interval is for it alone; {_simultaneous(family)}"
        " Smallest detectable: with 80 % power."
        if family.has_intervals
        else "One block: no interval, and no difference can be stated."
    )
    return table


def _simultaneous(family: Family) -> str:
    if family.comparisons == 1:
        return f"of the difference: {_methods(family.rows)}."
    return (
        f"the differences hold simultaneously over {family.comparisons} comparisons (max-t; {_methods(family.rows)})."
    )


def _best_fixed_table(rows: Sequence[ModeInPhase], comparisons: Comparisons) -> Table:
    columns = ("difference\n%", f"{100 * comparisons.confidence:g} %\ninterval", "blocks")
    table = new_table("Per token, against the best fixed k", ["mode", "phase"], columns)
    table.add_column("")
    for row, is_first in _by_mode(rows):
        difference, interval = _difference(row.to_best_fixed)
        table.add_row(
            mode_name(row.mode) if is_first else Text(""),
            row.phase.value,
            difference,
            interval,
            MISSING if row.to_best_fixed is None else str(row.to_best_fixed.blocks),
            _word(row.to_best_fixed),
        )
    table.caption = (
        "Which fixed k is the best is not known: the interval allows for that, the difference errs upwards."
        " Those of fixed modes, which run with the server's own threads, hold each alone, those of all others together."
        " One is called slower or faster only"
        f" in a phase in which a difference to {named(comparisons.reference)} was found."
    )
    return table


def _secondary_table(comparisons: Comparisons) -> Table:
    titles = {Metric.TTFT: "TTFT", Metric.LATENCY: "latency"}
    families = comparisons.secondary
    percent = f"{100 * comparisons.confidence:g}"
    columns = [
        column
        for family in families
        for column in (f"{titles[family.metric]}\nms", "difference\n%", f"simultaneous\n{percent} %")
    ]
    table = new_table(f"Secondary, against {named(comparisons.reference)}", ["mode", "phase"], columns)
    places = dict.fromkeys((row.mode, row.phase) for family in families for row in family.rows)
    by_place = [{(row.mode, row.phase): row for row in family.rows} for family in families]
    previous = None
    for mode, phase in places:
        table.add_row(
            mode_name(mode) if mode != previous else Text(""),
            phase.value,
            *(cell for rows in by_place for cell in _secondary_cells(rows.get((mode, phase)), comparisons.reference)),
        )
        previous = mode
    table.caption = (
        "Means over requests. Each metric is a family of comparisons of its own, and no verdict rests on it."
    )
    return table


def _secondary_cells(row: ModeInPhase | None, reference: str) -> tuple[str, str, str]:
    if row is None:
        return MISSING, MISSING, MISSING
    difference, interval = _difference(row.to_reference)
    return f"{row.value_ms:.1f}", "reference" if row.mode == reference else difference, interval


def _by_mode(rows: Sequence[ModeInPhase]) -> Iterator[tuple[ModeInPhase, bool]]:
    previous = None
    for row in rows:
        yield row, row.mode != previous
        previous = row.mode


def _difference(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return MISSING, MISSING
    value, interval = signed(difference)
    return value, interval or MISSING


def _word(difference: Difference | None) -> str:
    if difference is None or not difference.found:
        return ""
    return "faster" if difference.percent < 0 else "slower"


def _methods(rows: Sequence[ModeInPhase]) -> str:
    used = {row.to_reference.method for row in rows if row.to_reference is not None}
    return " or ".join(text for method, text in _METHODS.items() if method in used)
