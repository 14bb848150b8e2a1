"""What a person sees while a run goes on: a bar on a terminal, a line a trial elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from halospec.contention.report import LoadReport
from halospec.experiment.plan import Plan
from halospec.experiment.recording import Place
from halospec.records.schema import Phase, RequestRecord


class RunProgress:
    """Shows mode, phase, k, the last latency and the time left; an `Observer` and a context manager.

    The phase shown is that of the last request: a request's own phase is known only when it has ended.
    """

    def __init__(self, plan: Plan, console: Console) -> None:
        self._console = console
        self._last = ""
        self._phase: Phase | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=plan.request_count)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def request_sent(self, place: Place, draft_length: int) -> None:
        """Show what is being asked."""
        phase = Phase.WARMUP if place.is_warmup else self._phase or Phase.STEADY
        text = f"{place.mode:<9} block {place.block} {phase:<8} k={draft_length} {self._last}"
        self._bar.update(self._task, description=escape(text))

    def request_ended(self, record: RequestRecord) -> None:
        """Show how long it took; a failure is told at once, with its reason."""
        self._phase = None if record.is_warmup else record.phase
        self._last = f"last {record.latency_ms:,.0f} ms" if record.success else "last failed"
        if not record.success:
            told = f"{record.mode} step {record.step} failed: {record.error}"
            self._console.print(told, markup=False, highlight=False)
        self._bar.advance(self._task)

    def trial_ended(self, load: LoadReport) -> None:
        """Off a terminal, say that a trial is done."""
        self._phase = None
        if not self._console.is_terminal:
            got = "" if load.achieved_percent is None else f", load got {load.achieved_percent:.0f} % of its cores"
            self._console.print(f"{load.mode} (block {load.block}) done{got}", markup=False, highlight=False)
