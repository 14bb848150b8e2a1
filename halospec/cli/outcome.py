"""What a run came to: its tables, where its files are, and the exit code that says how it ended."""

from __future__ import annotations

import typer

from halospec.charts import DrawnCharts
from halospec.cli.consoles import output_console
from halospec.cli.sentences import EXIT_FAILED, EXIT_INTERRUPTED, fail
from halospec.execution import Conclusion, show_summary
from halospec.records.manifest import Status
from halospec.records.store import RunFiles


def show(conclusion: Conclusion, note: str = "") -> None:
    """Print a run's tables and where its files are."""
    console = output_console()
    show_summary(conclusion, console)
    if note:
        console.print(note, markup=False, highlight=False)
    console.print()
    typer.echo(f"Records, manifest and summary: {conclusion.directory}")
    if conclusion.charts.paths:
        typer.echo(f"Charts: {RunFiles(conclusion.directory).charts}")
    tell_skipped(conclusion.charts)


def tell_skipped(drawn: DrawnCharts) -> None:
    """Name the charts that were not drawn, with the reason."""
    for chart in drawn.skipped:
        typer.echo(f"No chart {chart.name}: {chart.reason}")


def exit_as(conclusion: Conclusion) -> None:
    """End with the exit code that says how the run ended."""
    if conclusion.status is Status.INTERRUPTED:
        typer.echo("Interrupted: this is what was measured until then.")
        raise typer.Exit(EXIT_INTERRUPTED)
    if conclusion.status is Status.FAILED:
        raise typer.Exit(EXIT_FAILED)
    if not conclusion.any_success:
        fail("No request succeeded; the reasons are in the table above.", EXIT_FAILED)
