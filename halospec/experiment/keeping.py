"""Everything that a runner reports, on disk before anybody else learns of it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from halospec.experiment.recording import Place, switch_record_of
from halospec.experiment.runner import Observer
from halospec.knobs.types import Switch
from halospec.records.decisions import DecisionRecord
from halospec.records.loads import LoadReport
from halospec.records.schema import RequestRecord
from halospec.records.store import RecordJournal, RunFiles


class Keeping:
    """An `Observer` that appends to a run's journals, then passes on what it learnt; a context manager.

    Raises
    ------
    StoreError
        If a journal cannot be opened or written.
    """

    def __init__(self, files: RunFiles, observer: Observer) -> None:
        self._observer = observer
        with ExitStack() as opened:
            self._records = opened.enter_context(RecordJournal(files.records))
            self._loads = opened.enter_context(RecordJournal(files.load))
            self._switches = opened.enter_context(RecordJournal(files.switches))
            self._journals = opened.pop_all()
        self._decisions_file = files.decisions
        self._decisions: RecordJournal | None = None

    def request_sent(self, place: Place, draft_length: int | None) -> None:
        """Pass it on: there is nothing to keep yet."""
        self._observer.request_sent(place, draft_length)

    def decided(self, decision: DecisionRecord) -> None:
        """Keep the decision, in a journal that only runs with rules that explain themselves have."""
        if self._decisions is None:
            self._decisions = self._journals.enter_context(RecordJournal(self._decisions_file))
        self._decisions.append(decision)
        self._observer.decided(decision)

    def request_ended(self, record: RequestRecord) -> None:
        """Keep the record."""
        self._records.append(record)
        self._observer.request_ended(record)

    def server_switched(self, place: Place, switch: Switch) -> None:
        """Keep what the switch took."""
        self._switches.append(switch_record_of(place, switch))
        self._observer.server_switched(place, switch)

    def trial_ended(self, load: LoadReport) -> None:
        """Keep what load the trial had."""
        self._loads.append(load)
        self._observer.trial_ended(load)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journals.close()
