"""The sampling thread: all samplers at the same ticks, whatever the event loop is busy with."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from halospec.clock import Clock
from halospec.records.store import StoreError
from halospec.records.ticks import Tick
from halospec.telemetry.journal import TickJournal
from halospec.telemetry.protocol import Missing, Reading, Sampler
from halospec.telemetry.sources import DEFAULT_HZ

MOST_OF_A_CORE = 0.01
"""Share of one core that each sampler may take; one that is dearer here is read at fewer ticks."""

_CREDIT_S = 0.05
_PATIENCE_S = 10.0
"""How long a thread that a driver keeps is waited for at the end."""


class Recorder:
    """Reads samplers into a journal between entry and exit, in a thread of its own.

    A tick that is late is skipped, not made up for. A sampler that raises is dropped, whatever it raised: telemetry
    must not end a measurement. What cannot be written does, by `require_kept`.

    Parameters
    ----------
    clock
        The run's.
    hz
        Ticks a second.
    """

    def __init__(
        self, samplers: Sequence[Sampler], journal: TickJournal, clock: Clock, *, hz: float = DEFAULT_HZ
    ) -> None:
        self._samplers = [_Metered(sampler) for sampler in samplers]
        self._journal = journal
        self._clock = clock
        self._period_ns = round(1e9 / hz)
        self._dropped: list[Missing] = []
        self._fault: StoreError | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="halospec-telemetry", daemon=True)

    @property
    def dropped(self) -> tuple[Missing, ...]:
        """What could no longer be read, and why."""
        return tuple(self._dropped)

    def require_kept(self) -> None:
        """Make sure that everything so far could be kept.

        Raises
        ------
        StoreError
            If the journal could not be written.
        """
        if self._fault is not None:
            raise self._fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(_PATIENCE_S)
        try:
            self._journal.close()
        except StoreError as fault:
            self._fault = self._fault or fault
        if error is None:
            self.require_kept()

    def _run(self) -> None:
        due_ns = self._clock()
        try:
            while not self._ending.wait(max(0, due_ns - self._clock()) / 1e9):
                self._tick()
                due_ns = next_tick_ns(due_ns, self._clock(), self._period_ns)
            # The last request has ended since the last tick, and what it used is to be known too.
            self._tick()
        except StoreError as fault:
            self._fault = fault

    def _tick(self) -> None:
        at_ns = self._clock()
        values: dict[str, float] = {}
        for metered in tuple(self._samplers):
            source = metered.sampler.source
            try:
                values.update({f"{source}.{name}": value for name, value in metered.read().items()})
            except Exception as error:  # noqa: BLE001  (a driver's fault, of whatever kind, is not the run's)
                self._samplers.remove(metered)
                self._dropped.append(Missing(source, f"it failed during the run: {error or type(error).__name__}"))
        if values:
            self._journal.add(Tick(at_ns, values))


def next_tick_ns(due_ns: int, now_ns: int, period_ns: int) -> int:
    """Return when the tick after the one that was due comes, of those that have not gone by."""
    gone_by = max(0, (now_ns - due_ns) // period_ns)
    return due_ns + (gone_by + 1) * period_ns


class _Metered:
    """A sampler, read as often as its cost allows."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self._began_s = time.monotonic()
        self._spent_s = 0.0

    def read(self) -> Reading:
        if self._spent_s > _CREDIT_S + MOST_OF_A_CORE * (time.monotonic() - self._began_s):
            return {}
        before_s = time.thread_time()
        try:
            return self.sampler.read()
        finally:
            self._spent_s += time.thread_time() - before_s
