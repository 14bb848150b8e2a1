"""What can be made of records: ``halospec summarize``, ``plot`` and ``export``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from halospec.analysis.loading import RunData, read_run, run_of
from halospec.analysis.slo import parse_slo
from halospec.analysis.summary import Judging, Summary, comparisons_of, judging_of, summarize_run
from halospec.analysis.tables import several_runs_note, summary_tables
from halospec.charts import CHARTS, draw_charts
from halospec.cli import options
from halospec.cli.application import app
from halospec.cli.consoles import output_console
from halospec.cli.outcome import tell_skipped
from halospec.cli.sentences import one_sentence, usage
from halospec.execution import title_of
from halospec.records.classic_csv import (
    ClassicRun,
    looks_like_classic_csv,
    read_classic_csv,
    write_classic_csv,
)
from halospec.records.store import RunFiles, StoreError, read_records


@app.command("summarize")
def summarize_path(
    path: Annotated[Path, typer.Argument(help="A run's directory, or a CSV of the original tool.")],
    reference: options.Reference = None,
    slo: options.Slo = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Percentiles, acceptance by position, threads, regret, the dynamics under load, loads during requests,"
            " memory by trial and secondary metrics as well.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what summary.json holds; a list where a CSV holds several runs.")
    ] = False,
) -> None:
    """Print a run's tables and what it shows."""
    with one_sentence(), usage():
        if slo:
            parse_slo(slo)
        runs = read_classic_csv(path) if looks_like_classic_csv(path) else ()
        shown = _runs_of_csv(path, runs, reference, slo) if runs else [_run_in(path, reference, slo)]
    if as_json:
        held = [one.summary.model_dump(mode="json") for one in shown]
        typer.echo(json.dumps(held if len(held) > 1 else held[0], indent=2))
        return
    console = output_console()
    note = several_runs_note(runs)
    if note is not None:
        console.print(note, markup=False)
    for number, one in enumerate(shown):
        if number or note is not None:
            console.print()
        for part in summary_tables(one.summary, title=one.title, details=details):
            console.print(part)


@app.command()
def plot(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    chart: Annotated[list[str] | None, typer.Option(help=f"Only this one (repeatable): {', '.join(CHARTS)}.")] = None,
) -> None:
    """Draw a run's charts, PNG and SVG, into its charts folder."""
    with one_sentence(), usage():
        run = read_run(directory)
        drawn = draw_charts(
            run.requests,
            title_of(run.manifest),
            RunFiles(directory).charts,
            chart or None,
            compare=lambda _: comparisons_of(run),
            telemetry=run.telemetry,
            loads=run.loads,
        )
    for drawing in drawn.paths:
        typer.echo(str(drawing))
    tell_skipped(drawn)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    form: Annotated[str, typer.Option("--format", help="classic-csv: the original tool's columns.")] = "classic-csv",
    out: Annotated[Path | None, typer.Option(help="A file; standard output if left out.")] = None,
) -> None:
    """Write a run's records in another format."""
    with one_sentence():
        if form != "classic-csv":
            raise typer.BadParameter(f"{form!r} is not a format; there is classic-csv")
        records = read_records(directory).records
        if out is None:
            write_classic_csv(records, sys.stdout)
            return
        try:
            with out.open("w", encoding="utf-8", newline="") as file:
                write_classic_csv(records, file)
        except OSError as error:
            raise StoreError(f"Cannot write {out}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class _Shown:
    """A run and what stands above its tables."""

    title: str
    summary: Summary


def _run_in(path: Path, reference: str | None, slo: Sequence[str] | None) -> _Shown:
    run = read_run(path)
    return _Shown(title_of(run.manifest), _judged(run, judging_of(run), reference, slo))


def _runs_of_csv(
    path: Path, runs: Sequence[ClassicRun], reference: str | None, slo: Sequence[str] | None
) -> list[_Shown]:
    shown = []
    for number, rows in enumerate(runs, start=1):
        title = f"{path.name}, run {number} of {len(runs)}" if len(runs) > 1 else path.name
        summary = _judged(run_of(rows.rows), Judging(), reference, slo, runs_in_file=len(runs))
        shown.append(_Shown(title, summary))
    return shown


def _judged(
    run: RunData, judging: Judging, reference: str | None, slo: Sequence[str] | None, *, runs_in_file: int = 1
) -> Summary:
    """Summarise a run by what the command line asks for, where it asks for anything."""
    asked = replace(judging, reference=reference or judging.reference, slo=tuple(slo) if slo else judging.slo)
    summary = summarize_run(run, asked, runs_in_file=runs_in_file)
    if slo and summary.slo_problem is not None:
        raise ValueError(summary.slo_problem)
    return summary
