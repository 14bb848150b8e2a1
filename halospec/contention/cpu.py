"""CPU contention: burner processes at a set share, kept there by what the system says they got."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from halospec.contention.loads import CpuLoad
from halospec.contention.program import Counted, Program

AT_WORK_PERCENT = 1.0
"""Burners that got more than this were at work; far below any target, since phases follow activity, not success."""

WINDOW_NS = 1_000_000_000
"""Stretch over which the achieved share is compared with the one that was due: long beside the system's ticks."""

GAIN_PER_S = 0.5
MOST_CORRECTION = 0.03
"""Of a core. Enough for how a system's clocks may differ, too little to bring a share out of its tolerance."""

STARVED_BELOW = 0.05
"""Of a core. Burners that are this far behind do not pace badly: something else has the cores."""


def program_of_cpu(load: CpuLoad) -> Program:
    """Return how a CPU load is carried out; its amount is in percent of its workers' cores."""
    return Program(
        arguments=("burn", "--percent", repr(load.percent)),
        workers=load.workers,
        counted=Counted.CPU_TIME,
        scale=100 / load.workers,
        at_work_above=AT_WORK_PERCENT,
        cores=load.cores,
        niceness=load.niceness,
    )


@dataclass(frozen=True)
class _Reading:
    at_ns: int
    got_ns: int
    due_ns: float


class ShareSteering:
    """Corrects burners' share by what the system counted over the last second: an integral controller.

    Each burner holds its share by its own clock already; this makes good for what that clock does not see. Its
    correction is bounded, and stands still while the burners are starved, for to ask for more would not help then, and
    would be too much afterwards.
    """

    def __init__(self, load: CpuLoad) -> None:
        self._full_share = load.percent / 100
        self._workers = load.workers
        self._readings: deque[_Reading] = deque()
        self._due = 0.0
        self._correction = 0.0

    def begin(self, at_ns: int, count: int) -> None:
        """Start over, without a correction."""
        self._readings = deque([_Reading(at_ns, count, 0.0)])
        self._due = 0.0
        self._correction = 0.0

    def told(self, due: float, at_ns: int, count: int) -> float:
        """Take in the CPU time, in nanoseconds, that all burners have had, and return their level, 0 or more."""
        before = self._readings[-1]
        now = _Reading(at_ns, count, before.due_ns + self._due * (at_ns - before.at_ns))
        self._readings.append(now)
        while at_ns - self._readings[1].at_ns >= WINDOW_NS:
            self._readings.popleft()
        first = self._readings[0]
        if at_ns - first.at_ns >= WINDOW_NS:
            self._correct(first, now, (at_ns - before.at_ns) / 1e9)
        self._due = self._full_share * due
        return max(0.0, self._due + self._correction) / self._full_share if due else 0.0

    def _correct(self, first: _Reading, now: _Reading, seconds: float) -> None:
        lasted_ns = now.at_ns - first.at_ns
        got = (now.got_ns - first.got_ns) / (lasted_ns * self._workers)
        behind = (now.due_ns - first.due_ns) / lasted_ns - got
        if behind < STARVED_BELOW:
            wanted = self._correction + GAIN_PER_S * seconds * behind
            self._correction = min(max(wanted, -MOST_CORRECTION), MOST_CORRECTION)
