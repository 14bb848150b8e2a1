"""A comparison of runs as GitHub-flavoured Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from halospec.analysis.printable import printable
from halospec.compare.gate import GateReport, JudgedCondition
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

_ACTIVE = re.compile(
    r"[\\`*|~<&@$]"
    r"|^[-+=>#\[]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d\d\d)[.)]"  # what begins a block
    r"|(?<!\w)_|_(?!\w)"  # emphasis; an underscore inside a word is none
    r"|\](?=[(\[:])|:(?=[\w/])|(?<=www)\."  # links, with brackets or without, and :emoji:
    r"|#(?=\d)",  # an issue's number
    re.IGNORECASE,
)
"""Characters that mean something to Markdown, HTML or GitHub, where they do."""


def comparison_markdown(whole: RunComparison, gate: GateReport | None = None) -> str:
    """Return a comparison as Markdown. No text from a file can become a heading, a link, a mention or HTML in it."""
    return "\n".join(_lines(whole, gate)) + "\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line, within a sentence or a table's cell.

    A character that is active becomes a numeric reference, which never begins or ends anything (CommonMark 0.31, 2.5);
    an @ stands in an element of its own, so that GitHub notifies nobody.
    """
    shown = _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", printable(text))
    return shown.replace("&#64;", "<span>&#64;</span>")


def _lines(whole: RunComparison, gate: GateReport | None) -> Iterator[str]:
    title = f"{', '.join(one.candidate for one in whole.comparisons)} against {whole.baseline}"
    yield f"## {escaped(stamped(title) if whole.placebo else title)}"
    yield ""
    if whole.placebo:
        yield f"**{STAMP}. {escaped(MEANING)}**"
        yield ""
    if gate is not None:
        *sentences, verdict = gate_sentences(gate)
        yield f"**{escaped(verdict)}**"
        yield ""
        yield from _items(sentences)
    yield from _items(
        conclusion(one, metric, whole.baseline)
        for one in whole.comparisons
        for metric in whole.metrics
        if one.of_metric(metric)
    )
    yield from _items(
        sentence
        for one in whole.comparisons
        for sentence in (pairing_sentence(one, whole.baseline), *modes_left_out(one, whole.baseline))
    )
    yield from _items(whole.cautions)
    for one in whole.comparisons:
        for metric in whole.metrics:
            rows = one.of_metric(metric)
            if rows:
                yield from _metric_table(whole, one, metric, rows)
    for judged in gate.conditions if gate is not None else ():
        yield from _gate_table(judged, placebo=whole.placebo)
    yield from _runs_table(whole.runs, placebo=whole.placebo)


def _items(sentences: Iterable[str]) -> Iterator[str]:
    items = [f"- {escaped(sentence)}" for sentence in sentences]
    if items:
        yield from items
        yield ""


def _metric_table(
    whole: RunComparison, comparison: Comparison, metric: ComparedMetric, rows: Sequence[Row]
) -> Iterator[str]:
    title = f"{metric.value}: {comparison.candidate} against {whole.baseline}"
    head = ("mode", "phase", *(f"{run}, {metric.unit}" for run in ("baseline", "candidate")))
    yield from _table(
        title,
        (*head, "interval", "change, %", "interval", "blocks", "finding"),
        [
            (
                escaped(row.mode),
                row.phase.value,
                level_text(metric, row.baseline.value),
                level_text(metric, row.candidate.value),
                level_interval(metric, row.candidate),
                percent_text(row.change.percent) if row.change else MISSING,
                percent_interval(row.change.low_percent, row.change.high_percent) if row.change else MISSING,
                f"{row.baseline.blocks}/{row.candidate.blocks}",
                row.finding.value if row.finding in (Finding.BETTER, Finding.WORSE) else "",
            )
            for row in rows
        ],
        texts=2,
        placebo=whole.placebo,
    )
    yield f"<sub>{escaped(method_note(whole, comparison, metric))}</sub>"
    yield ""


def _gate_table(judged: JudgedCondition, *, placebo: bool) -> Iterator[str]:
    yield from _table(
        f"Fails if {judged.condition.text}",
        ("run", "mode", "phase", "estimate", "interval", "outcome"),
        [
            (
                escaped(row.candidate),
                escaped(row.mode),
                row.phase.value,
                judged_value(judged, row),
                judged_interval(judged, row),
                outcome_text(row.outcome),
            )
            for row in judged.rows
        ],
        texts=3,
        placebo=placebo,
    )


def _runs_table(runs: Sequence[RunFacts], *, placebo: bool) -> Iterator[str]:
    yield from _table(
        "Runs, the baseline first",
        ("run", "started", "model", "halospec", "blocks", "requests", "failed"),
        [
            (
                escaped(run.name),
                f"{run.started_at:%Y-%m-%d %H:%M}" if run.started_at else MISSING,
                escaped(run.model or MISSING),
                escaped(run.halospec or MISSING),
                str(run.blocks),
                str(run.requests),
                str(run.failures),
            )
            for run in runs
        ],
        texts=4,
        placebo=placebo,
    )


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int, placebo: bool
) -> Iterator[str]:
    """Yield a table of cells that are fit for Markdown already; the first columns are texts, the others numbers."""
    yield f"**{escaped(stamped(title) if placebo else title)}**"
    yield ""
    yield _row(head)
    yield _row(["---" if place < texts else "---:" for place in range(len(head))])
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
