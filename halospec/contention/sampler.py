"""Reads a load's CPU clock from a thread of its own, so that a busy event loop cannot distort the record."""

from __future__ import annotations

import threading
from collections.abc import Callable

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.recorder import SAMPLE_NS, ActivityRecorder


class ActivitySampler:
    """Samples one trial's load about every 50 ms while a load window is open.

    Parameters
    ----------
    workers
        Cores that 100 % stands for.
    clock
        The run's clock.
    """

    def __init__(self, workers: int, clock: Clock) -> None:
        self._clock = clock
        self._recorder = ActivityRecorder(workers)
        self._read_cpu_ns: Callable[[], int] | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, read_cpu_ns: Callable[[], int]) -> None:
        """Open a load window and sample it; ``read_cpu_ns`` returns the CPU time that its load has used so far."""
        with self._lock:
            self._recorder.begin(self._clock(), read_cpu_ns())
            self._read_cpu_ns = read_cpu_ns
        self._closing.clear()
        thread = threading.Thread(target=self._sample, name="halospec-load-sampler", daemon=True)
        thread.start()
        self._thread = thread

    def end(self) -> None:
        """Take a last reading and close the window; nothing if none is open."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            self._read()
            self._read_cpu_ns = None
            self._recorder.end()

    @property
    def activity(self) -> Activity:
        """What was measured in all windows so far, up to now if one is open."""
        with self._lock:
            self._read()
            return self._recorder.activity()

    def _sample(self) -> None:
        while not self._closing.wait(SAMPLE_NS / 1e9):
            with self._lock:
                self._read()

    def _read(self) -> None:
        if self._read_cpu_ns is not None:
            self._recorder.read(self._clock(), self._read_cpu_ns())
