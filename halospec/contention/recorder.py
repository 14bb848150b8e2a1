"""From readings of a coarse, cumulative CPU clock to samples of activity."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.contention.activity import Activity, ActivitySample

SAMPLE_NS = 50_000_000
"""A sample is at least this long."""

SILENCE_NS = 500_000_000
"""A CPU clock that has stood still for this long says that nothing ran, not that it is coarse."""


@dataclass(frozen=True)
class _Reading:
    at_ns: int
    cpu_ns: int


class ActivityRecorder:
    """Collects the samples of one trial, over one load window or several.

    The operating system counts a process's CPU time in ticks (10 ms on Linux, 16 ms on Windows), so a burner with
    a small share seems to rest between two ticks. A sample therefore stays open until the clock has moved, or for
    ``SILENCE_NS``, and an open stretch is counted with the sample before it. No CPU time is lost or invented: the
    samples of a window add up to the difference between its last and first reading.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._finished: list[ActivitySample] = []
        self._tail: list[_Reading] = []
        self._latest: _Reading | None = None

    def begin(self, at_ns: int, cpu_ns: int) -> None:
        """Open a load window with its first reading."""
        self._latest = _Reading(at_ns, cpu_ns)
        self._tail = [self._latest]

    def read(self, at_ns: int, cpu_ns: int) -> None:
        """Take in a reading: the CPU time that all burners together have used so far."""
        self._latest = _Reading(at_ns, cpu_ns)
        stretch_ns = at_ns - self._tail[-1].at_ns
        moved = cpu_ns > self._tail[-1].cpu_ns
        if stretch_ns >= SILENCE_NS or (moved and stretch_ns >= SAMPLE_NS):
            self._tail.append(self._latest)
        if len(self._tail) > 2:
            self._finished.append(self._sample(self._tail[0], self._tail[1]))
            del self._tail[0]

    def end(self) -> None:
        """Close the load window at its last reading."""
        self._finished = list(self.activity().samples)
        self._tail = []

    def activity(self) -> Activity:
        """Return what is known so far, up to the last reading."""
        if not self._tail or self._latest is None or self._latest.at_ns <= self._tail[0].at_ns:
            return Activity(tuple(self._finished))
        return Activity((*self._finished, self._sample(self._tail[0], self._latest)))

    def _sample(self, first: _Reading, last: _Reading) -> ActivitySample:
        interval_ns = last.at_ns - first.at_ns
        cpu_percent = 100 * (last.cpu_ns - first.cpu_ns) / (interval_ns * self._workers)
        return ActivitySample(first.at_ns, last.at_ns, cpu_percent)
