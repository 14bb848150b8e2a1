"""What a person sees while a server is probed and measured: a bar on a terminal, a line a trial elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from halospec.analysis.printable import printable
from halospec.contention.spoken import spoken_load, spoken_name
from halospec.experiment.knob_choice import KnobChoice
from halospec.experiment.recording import Place
from halospec.knobs.types import Switch
from halospec.records.decisions import DecisionRecord
from halospec.records.loads import LoadReport
from halospec.records.probe import KnobReport, Verdict
from halospec.records.schema import Phase, RequestRecord

_MANY_REQUESTS = 20


class _Bar:
    """One bar that shows what is going on; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)

    def begin(self, total: int | None) -> None:
        self._progress.reset(self._task, total=total)

    def expect(self, total: int) -> None:
        self._progress.update(self._task, total=total)

    def describe(self, text: str) -> None:
        # A knob's name may hold a model's, which is the server's to choose.
        self._progress.update(self._task, description=escape(printable(text)))

    def advance(self) -> None:
        self._progress.advance(self._task)

    def tell(self, sentence: str, style: str = "") -> None:
        self.console.print(printable(sentence), style=style, markup=False, highlight=False)

    def tell_early_ends(self, load: LoadReport, where: str) -> None:
        """Say which loads ended by themselves, and so were not there for all that was asked under them."""
        for one in load.loads:
            if one.ended_early is not None:
                self.tell(f"{where}, {spoken_name(one.name)}: {one.ended_early}.", "bold")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class ProbeProgress(_Bar):
    """Shows which canary is under way; a `ProbeObserver`."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._told: set[str] = set()
        self._announced = 0

    def canaries_planned(self, total: int) -> None:
        """Show how many there will be; off a terminal say so, whenever it comes to be many."""
        self.expect(total)
        if not self.console.is_terminal and total >= self._announced + _MANY_REQUESTS:
            self._announced = total
            self.tell(f"Probing: about {total} requests.")

    def canary_sent(self, purpose: str) -> None:
        """Show what is being asked."""
        self.describe(f"probing  {purpose}")

    def canary_ended(self, error: str) -> None:
        """Tell a failure at once, with its reason; once, since a server that refuses a field does so each time."""
        if error and error not in self._told:
            self._told.add(error)
            self.tell(f"A request failed: {error}")
        self.advance()


class RunProgress(ProbeProgress):
    """Shows the probe, then mode, phase, k, the last latency and the time left; a `SessionObserver`.

    The phase shown is that of the last request: a request's own phase is known only when it has ended.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._last = ""
        self._phase: Phase | None = None

    def told(self, sentence: str) -> None:
        """Print it."""
        self.tell(sentence)

    def run_planned(self, choice: KnobChoice, requests: int | None) -> None:
        """Say what the probe found, and start the bar anew."""
        if choice.report is not None:
            self.tell(*_finding(choice.report, choice))
        self.begin(requests)

    def run_extended(self, requests: int | None) -> None:
        """Start the bar anew."""
        self.begin(requests)

    def request_sent(self, place: Place, draft_length: int | None) -> None:
        """Show what is being asked."""
        phase = Phase.WARMUP if place.is_warmup else self._phase or Phase.STEADY
        k = "auto" if draft_length is None else draft_length
        self.describe(f"{place.mode:<9} block {place.block} {phase:<8} k={k} {self._last}")

    def decided(self, decision: DecisionRecord) -> None:
        """Do nothing: `halospec explain` shows them."""

    def server_switched(self, place: Place, switch: Switch) -> None:
        """Show that the server is another one now."""
        self.describe(f"{place.mode:<9} block {place.block} k={switch.draft_length} after {switch.duration_ms:,.0f} ms")

    def request_ended(self, record: RequestRecord) -> None:
        """Show how long it took; a failure is told at once, with its reason."""
        self._phase = None if record.is_warmup else record.phase
        self._last = f"last {record.latency_ms:,.0f} ms" if record.success else "last failed"
        if not record.success:
            step = "warm-up" if record.is_warmup else "step"
            self.tell(f"{record.mode} {step} {record.step} failed: {record.error}")
        self.advance()

    def trial_ended(self, load: LoadReport) -> None:
        """Off a terminal, say how a trial ended, and what each of its loads got; anywhere, which ended too early."""
        self._phase = None
        if not self.console.is_terminal:
            got = ", ".join(filter(None, map(spoken_load, load.loads)))
            how = "cut short" if load.steps is None else "done"
            self.tell(f"{load.mode} (block {load.block}) {how}" + (f": {got}" if got else ""))
        self.tell_early_ends(load, f"{load.mode} (block {load.block})")


def _finding(report: KnobReport, choice: KnobChoice) -> tuple[str, str]:
    """Return what the probe found of the knob that is used, and the style to say it in."""
    if report.verdict is Verdict.IGNORED and not choice.placebo:
        return "Plain decoding alone, on a server that drafts nothing.", ""
    judged = f"{report.verdict.value.replace('_', ' ')}: {report.reason.rstrip('.')}"
    return f"Draft length through {choice.knob.name}: {judged}.", "" if report.verdict is Verdict.OBEYED else "bold"
