"""What a person sees while a pair is recorded: a bar on a terminal, a few lines elsewhere."""

from __future__ import annotations

from halospec.progress import ProbeProgress
from halospec.recordings.visits import Visit

_LINES = 10
"""Off a terminal a recording says this often how far it has come."""


class RecordingProgress(ProbeProgress):
    """Shows the texts, then the visits; a `RecordingObserver`."""

    _done = 0
    _total = 0

    def traces_planned(self, prompts: int) -> None:
        """Start the bar."""
        self.tell(f"Tracing {prompts} texts; nothing is written before all is recorded.")
        self._start(prompts)

    def text_traced(self, prompt_id: str, tokens: int) -> None:
        """Show how far it is."""
        self.describe(f"tracing  {prompt_id}: {tokens} tokens")
        self._one_more("texts traced")

    def costs_planned(self, visits: int, quiet_s: float) -> None:
        """Say how long it will take, and start the bar anew."""
        self.tell(f"Timing {visits} texts: {_duration(quiet_s)} on a quiet machine, and longer under load.")
        self._start(visits)

    def visit_begun(self, visit: Visit) -> None:
        """Show under which condition it is."""
        setting = visit.setting
        self.describe(f"timing  {visit.condition.name}  threads {setting.threads}:{setting.draft_threads}")

    def visit_ended(self, visit: Visit, rounds: int) -> None:  # noqa: ARG002  (an observer's signature)
        """Show how far it is."""
        self._one_more("texts timed")

    def _start(self, total: int) -> None:
        self._done, self._total = 0, total
        self.begin(total)

    def _one_more(self, what: str) -> None:
        self._done += 1
        self.advance()
        lines_due = self._done * _LINES // self._total > (self._done - 1) * _LINES // self._total
        if lines_due and not self.console.is_terminal:
            self.tell(f"{self._done} of {self._total} {what}.")


def _duration(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
