"""What a person sees during a search: a bar on a terminal, a line a round everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.experiment.knob_choice import KnobChoice
from halospec.experiment.recording import Place
from halospec.knobs.types import Switch
from halospec.progress import ProbeProgress
from halospec.records.decisions import DecisionRecord
from halospec.records.loads import LoadReport
from halospec.records.probe import Verdict
from halospec.records.schema import RequestRecord
from halospec.tuning.halving import RoundSize
from halospec.tuning.search import RoundDone
from halospec.tuning.wording import listed


class TuneProgress(ProbeProgress):
    """Shows the probe, then round, k, the last latency and the time left; a `TuneObserver`."""

    _last = ""
    _round = ""

    def told(self, sentence: str) -> None:
        """Print it."""
        self.tell(sentence)

    def search_planned(self, sizes: Sequence[RoundSize], choice: KnobChoice) -> None:
        """Say what the probe found and what comes, and start the bar anew."""
        if choice.report is not None:
            judged = choice.report.verdict.value.replace("_", " ")
            style = "" if choice.report.verdict is Verdict.OBEYED else "bold"
            reason = choice.report.reason.rstrip(".")
            self.tell(f"Draft length through {choice.knob.name}: {judged}: {reason}.", style)
        total = sum(size.requests for size in sizes)
        rounds = "1 round" if len(sizes) == 1 else f"{len(sizes)} rounds"
        self.tell(f"{total} requests in {rounds}.")
        self.begin(total)

    def round_begun(self, size: RoundSize, lengths: Sequence[int]) -> None:  # noqa: ARG002  (an observer's signature)
        """Remember which it is."""
        self._round = f"round {size.number}"

    def round_ended(self, done: RoundDone) -> None:
        """Say who was dropped."""
        went = f"k = {listed(done.dropped)} dropped" if done.dropped else "nobody dropped"
        self.tell(f"Round {done.size.number}: {done.size.prompts} prompts at k = {listed(done.lengths)}; {went}.")

    def request_sent(self, place: Place, draft_length: int | None) -> None:
        """Show what is being asked."""
        self.describe(f"{self._round} {'warm-up' if place.is_warmup else '':<7} k={draft_length} {self._last}")

    def decided(self, decision: DecisionRecord) -> None:
        """Do nothing: fixed draft lengths are not decided on."""

    def server_switched(self, place: Place, switch: Switch) -> None:  # noqa: ARG002  (an observer's signature)
        """Show that the server is another one now."""
        self.describe(f"{self._round} k={switch.draft_length} after {switch.duration_ms:,.0f} ms")

    def request_ended(self, record: RequestRecord) -> None:
        """Show how long it took; a failure is told at once, with its reason."""
        self._last = f"last {record.latency_ms:,.0f} ms" if record.success else "last failed"
        if not record.success:
            self.tell(f"k = {record.draft_length} failed: {record.error}")
        self.advance()

    def trial_ended(self, load: LoadReport) -> None:
        """Say which loads ended by themselves; rounds are what is told otherwise."""
        self.tell_early_ends(load, self._round.capitalize() or "The search")
