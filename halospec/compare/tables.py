"""A comparison of runs as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.printable import printable
from halospec.analysis.table_style import mode_name, new_table
from halospec.compare.gate import GateReport, JudgedCondition, Outcome
from halospec.compare.metrics import ComparedMetric
from halospec.compare.sentences import (
    MISSING,
    conclusion,
    gate_sentences,
    judged_interval,
    judged_value,
    level_interval,
    level_text,
    method_note,
    modes_left_out,
    outcome_text,
    pairing_sentence,
    percent_interval,
    percent_text,
)
from halospec.compare.values import Comparison, Finding, Row, RunComparison, RunFacts
from halospec.records.placebo import MEANING, STAMP, stamped

_NAME_WIDTH = 30
_CONDITION_WIDTH = 60


def comparison_tables(whole: RunComparison, gate: GateReport | None = None) -> list[RenderableType]:
    """Return what to print of a comparison, in order; at most 100 columns wide.

    Texts from files are never taken for markup. Where one of the runs is a placebo every table bears the stamp.
    """
    parts = list(_parts(whole, gate))
    if not whole.placebo:
        return parts
    for part in parts:
        if isinstance(part, Table):
            part.title = Text(stamped(str(part.title)))
    return [Text(f"{STAMP}. {MEANING}", style="bold"), *parts]


def _parts(whole: RunComparison, gate: GateReport | None) -> Iterator[RenderableType]:
    yield _runs_table(whole.runs)
    yield Text()
    for comparison in whole.comparisons:
        yield _sentence(pairing_sentence(comparison, whole.baseline))
        for sentence in modes_left_out(comparison, whole.baseline):
            yield _sentence(sentence)
        for metric in whole.metrics:
            rows = comparison.of_metric(metric)
            if rows:
                yield Text()
                yield _metric_table(whole, comparison, metric, rows)
                yield _sentence(conclusion(comparison, metric, whole.baseline), style="bold")
        yield Text()
    for caution in whole.cautions:
        yield _sentence(f"Note: {caution}")
    if gate is not None:
        yield Text()
        for judged in gate.conditions:
            yield _gate_table(judged, several=len(whole.comparisons) > 1)
        *sentences, verdict = gate_sentences(gate)
        for sentence in sentences:
            yield _sentence(sentence)
        yield _sentence(verdict, style="bold red" if gate.is_failed else "bold")


def _runs_table(runs: tuple[RunFacts, ...]) -> Table:
    table = new_table(
        "Runs, the baseline first", ("run", "started", "model", "halospec"), ("blocks", "requests", "failed")
    )
    for run in runs:
        table.add_row(
            Text(printable(run.name, limit=_NAME_WIDTH)),
            f"{run.started_at:%Y-%m-%d %H:%M}" if run.started_at else MISSING,
            Text(printable(run.model or MISSING, limit=16)),
            Text(printable(run.halospec or MISSING, limit=10)),
            str(run.blocks),
            str(run.requests),
            str(run.failures),
        )
    return table


def _metric_table(whole: RunComparison, comparison: Comparison, metric: ComparedMetric, rows: tuple[Row, ...]) -> Table:
    names = (printable(name, limit=_NAME_WIDTH) for name in (comparison.candidate, whole.baseline))
    table = new_table(
        f"{metric.value}: {' against '.join(names)}",
        ("mode", "phase"),
        ("baseline\n" + metric.unit, "candidate\n" + metric.unit, "interval", "change\n%", "interval", "blocks"),
    )
    table.add_column("finding", no_wrap=True)
    for row in rows:
        change = row.change
        table.add_row(
            mode_name(row.mode),
            row.phase.value,
            level_text(metric, row.baseline.value),
            level_text(metric, row.candidate.value),
            Text(level_interval(metric, row.candidate)),
            percent_text(change.percent) if change else MISSING,
            Text(percent_interval(change.low_percent, change.high_percent) if change else MISSING),
            _blocks(row),
            _finding(row),
        )
    notes = sorted({row.change.note for row in rows if row.change is not None and row.change.note})
    table.caption = " ".join([method_note(whole, comparison, metric), *(f"No interval: {note}." for note in notes)])
    return table


def _blocks(row: Row) -> str:
    before, after = row.baseline.blocks, row.candidate.blocks
    return str(before) if before == after else f"{before}/{after}"


def _finding(row: Row) -> Text:
    styles = {Finding.WORSE: "red", Finding.BETTER: "green"}
    return Text(row.finding.value if row.finding in styles else "", style=styles.get(row.finding, ""))


def _gate_table(judged: JudgedCondition, *, several: bool) -> Table:
    title = f"Fails if {printable(judged.condition.text, limit=_CONDITION_WIDTH)}"
    texts = ("run", "mode", "phase") if several else ("mode", "phase")
    table = new_table(title, texts, ("estimate", "interval"))
    table.add_column("outcome", no_wrap=True)
    styles = {Outcome.FAILED: "red", Outcome.PASSED: "green"}
    for row in judged.rows:
        run = [Text(printable(row.candidate, limit=_NAME_WIDTH))] if several else []
        table.add_row(
            *run,
            mode_name(row.mode),
            row.phase.value,
            judged_value(judged, row),
            Text(judged_interval(judged, row)),
            Text(outcome_text(row.outcome), style=styles.get(row.outcome, "")),
        )
    return table


def _sentence(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)
