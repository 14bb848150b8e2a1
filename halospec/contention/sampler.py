"""Reads what a load does, and says what it is to do, from a thread of its own.

A busy event loop can neither distort the record nor delay a profile then.
"""

from __future__ import annotations

import threading
from typing import Protocol

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.profiles.profile import WINDOW, Profile
from halospec.contention.recorder import SAMPLE_NS, ActivityRecorder, Scale


class Workers(Protocol):
    """What is sampled and led; a `halospec.contention.fleet.Fleet`."""

    def count(self) -> int:
        """Return what all together have done since they were started."""
        ...

    def is_alive(self) -> bool:
        """Tell whether any of them is there."""
        ...

    def set_level(self, level: float) -> None:
        """Have them do a share of their full amount from now on."""
        ...


class Steering(Protocol):
    """A closed loop: what to tell workers so that what they do comes to what is due."""

    def begin(self, at_ns: int, count: int) -> None:
        """Start over, with the first reading of a window."""
        ...

    def told(self, due: float, at_ns: int, count: int) -> float:
        """Take in a reading and return the level to tell the workers, for a level that is due from now on."""
        ...


class ActivitySampler:
    """Samples one trial's load about every 50 ms while a window is open, and keeps it on its course.

    Parameters
    ----------
    clock
        The run's clock.
    profile
        The load's course, from when a window is opened.
    """

    def __init__(self, scale: Scale, clock: Clock, profile: Profile = WINDOW, steering: Steering | None = None) -> None:
        self._clock = clock
        self._profile = profile
        self._steering = steering
        self._recorder = ActivityRecorder(scale)
        self._workers: Workers | None = None
        self._begun_ns = 0
        self._level = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, workers: Workers) -> None:
        """Open a window and sample it; the workers have been told the profile's first level."""
        with self._lock:
            self._begun_ns, count = self._clock(), workers.count()
            self._level = self._profile.level(0.0)
            self._recorder.begin(self._begun_ns, count)
            if self._steering is not None:
                self._steering.begin(self._begun_ns, count)
            self._workers = workers
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
            self._workers = None
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
        if self._workers is None:
            return
        at_ns, count = self._clock(), self._workers.count()
        self._recorder.read(at_ns, count, level=self._level, is_alive=self._workers.is_alive())
        self._level = self._profile.level((at_ns - self._begun_ns) / 1e9)
        told = self._level if self._steering is None else self._steering.told(self._level, at_ns, count)
        self._workers.set_level(told)
