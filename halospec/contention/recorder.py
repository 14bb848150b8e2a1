"""From readings of a coarse, cumulative count to samples of activity."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.contention.activity import Activity, ActivitySample

SAMPLE_NS = 50_000_000
"""A sample is at least this long."""

SILENCE_NS = 500_000_000
"""A count that has stood still for this long says that nothing was done, not that it is coarse."""


@dataclass(frozen=True)
class Scale:
    """What a load's count means.

    Attributes
    ----------
    amount_per_count
        The load's amount is the count's growth times this, by the nanoseconds that it took.
    full_amount
        What level 1 stands for; ``None`` for a load without an amount.
    at_work_above
        Amount above which the load was at work; ``None``: as long as it is alive.
    """

    amount_per_count: float
    full_amount: float | None
    at_work_above: float | None


@dataclass(frozen=True)
class _Reading:
    at_ns: int
    count: int
    is_alive: bool
    due_ns: float


class ActivityRecorder:
    """Collects the samples of one load in one trial, over one window or several.

    The operating system counts a process's CPU time in ticks (10 ms on Linux, 16 ms on Windows), so a burner with
    a small share seems to rest between two ticks; other counts too grow in steps. A sample therefore stays open until
    the count has moved, or for ``SILENCE_NS``, and an open stretch is counted with the sample before it. Nothing is
    lost or invented: the samples of a window add up to the difference between its last and first reading.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._finished: list[ActivitySample] = []
        self._tail: list[_Reading] = []
        self._latest: _Reading | None = None

    def begin(self, at_ns: int, count: int) -> None:
        """Open a window with its first reading."""
        self._latest = _Reading(at_ns, count, is_alive=True, due_ns=0.0)
        self._tail = [self._latest]

    def read(self, at_ns: int, count: int, *, level: float = 1.0, is_alive: bool = True) -> None:
        """Take in a reading.

        Parameters
        ----------
        count
            What all workers together have done so far.
        level
            Share of the full amount that was due since the reading before.
        is_alive
            Whether any worker is there.
        """
        if self._latest is None:
            raise RuntimeError("no window is open")
        due_ns = self._latest.due_ns + level * (at_ns - self._latest.at_ns)
        self._latest = _Reading(at_ns, count, is_alive, due_ns)
        since = self._tail[-1]
        stretch_ns = at_ns - since.at_ns
        has_moved = count > since.count
        has_ended = since.is_alive and not is_alive and stretch_ns > 0
        if has_ended or stretch_ns >= SILENCE_NS or (has_moved and stretch_ns >= SAMPLE_NS):
            self._tail.append(self._latest)
        if len(self._tail) > 2:
            self._finished.append(self._sample(self._tail[0], self._tail[1]))
            del self._tail[0]

    def end(self) -> None:
        """Close the window at its last reading."""
        self._finished = list(self.activity().samples)
        self._tail = []
        self._latest = None

    def activity(self) -> Activity:
        """Return what is known so far, up to the last reading."""
        if not self._tail or self._latest is None or self._latest.at_ns <= self._tail[0].at_ns:
            return Activity(tuple(self._finished))
        return Activity((*self._finished, self._sample(self._tail[0], self._latest)))

    def _sample(self, first: _Reading, last: _Reading) -> ActivitySample:
        interval_ns = last.at_ns - first.at_ns
        amount = (last.count - first.count) * self._scale.amount_per_count / interval_ns
        full, above = self._scale.full_amount, self._scale.at_work_above
        return ActivitySample(
            first.at_ns,
            last.at_ns,
            amount,
            at_work=first.is_alive if above is None else amount > above,
            target=None if full is None else full * (last.due_ns - first.due_ns) / interval_ns,
        )
