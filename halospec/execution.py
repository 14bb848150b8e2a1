"""Running a session for a person, and making of its records what they want to see: tables, charts, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
from rich.console import Console

from halospec.analysis.loading import read_run
from halospec.analysis.printable import printable
from halospec.analysis.summary import Summary, summarize_run, write_summary
from halospec.analysis.tables import summary_tables
from halospec.charts import DrawnCharts, draw_charts
from halospec.config import RunSettings
from halospec.contention.protocol import ContentionError
from halospec.experiment.plan import Plan
from halospec.experiment.runner import ServerGone
from halospec.experiment.session import resume_session, run_session
from halospec.knobs.types import KnobError
from halospec.progress import RunProgress
from halospec.records.manifest import Manifest, Status
from halospec.records.parquet import write_parquet
from halospec.records.store import RunFiles, read_records
from halospec.records.telemetry_table import write_telemetry_table


@dataclass(frozen=True)
class Conclusion:
    """What a run's directory was turned into."""

    directory: Path
    manifest: Manifest | None
    summary: Summary
    charts: DrawnCharts

    @property
    def status(self) -> Status | None:
        """How the run ended; None for records without a manifest."""
        return self.manifest.status if self.manifest else None

    @property
    def any_success(self) -> bool:
        """Whether a single measured request succeeded."""
        return any(mode.successes for mode in self.summary.modes)


def execute(settings: RunSettings, plan: Plan, console: Console) -> Conclusion:
    """Run a session with progress on ``console`` and conclude what was measured, however it ended.

    A run that was interrupted or had to stop is concluded like any other; its manifest says what happened.

    Raises
    ------
    PreflightError, ProbeError, PlaceboRefused, PlanRefused, KnobError
        If no run can be made against this server.
    StoreError
        If records could not be kept.
    KeyboardInterrupt
        If it was interrupted before there was anything to conclude.
    """
    with RunProgress(console) as progress:
        return _concluded(settings.out, console, lambda: anyio.run(run_session, settings, plan, progress))


def resume(settings: RunSettings, console: Console) -> Conclusion:
    """Go on with a run and conclude all of it; raises what `execute` raises."""
    with RunProgress(console) as progress:
        return _concluded(settings.out, console, lambda: anyio.run(resume_session, settings, progress))


def _concluded(directory: Path, console: Console, session: Callable[[], None]) -> Conclusion:
    files = RunFiles(directory)
    try:
        session()
    except KeyboardInterrupt:
        if not files.records.exists():
            raise
        console.print("Interrupted; concluding what was measured …", markup=False, highlight=False)
    except (ServerGone, ContentionError, KnobError) as reason:
        if not files.manifest.exists():
            raise
        console.print(printable(str(reason)), style="bold", markup=False, highlight=False)
    return conclude(directory)


def conclude(directory: Path) -> Conclusion:
    """Write the Parquet tables, ``summary.json`` and the charts of a run directory from its journals.

    Raises
    ------
    StoreError
        If the journal cannot be read or a file not be written.
    """
    files = RunFiles(directory)
    journal = read_records(directory)
    write_parquet(journal.records, files.parquet)
    if files.telemetry_journal.exists():
        write_telemetry_table(files.telemetry_journal, files.telemetry)
    run = read_run(directory)
    summary = summarize_run(run)
    write_summary(summary, files.summary)
    charts = draw_charts(
        run.requests,
        title_of(run.manifest),
        files.charts,
        compare=lambda _requests: summary.comparisons,
        telemetry=run.telemetry,
        loads=run.loads,
    )
    return Conclusion(directory, run.manifest, summary, charts)


def show_summary(conclusion: Conclusion, console: Console) -> None:
    """Print the tables of a run."""
    for part in summary_tables(conclusion.summary, title=title_of(conclusion.manifest)):
        console.print(part)


def title_of(manifest: Manifest | None) -> str:
    """Return a line that says what was measured."""
    return f"{manifest.server.model} on {manifest.host.cpu}" if manifest else ""
