"""Hardware counters made into ones that never jump back."""

from __future__ import annotations

from dataclasses import dataclass


class Unwrapped:
    """Follows a register that starts anew from time to time.

    Parameters
    ----------
    span
        What the register holds before it wraps to 0; ``None`` where it does not wrap, so that a smaller value means
        that it was reset.
    """

    def __init__(self, span: int | None = None) -> None:
        self._span = span
        self._register: int | None = None
        self._total = 0

    def advance(self, register: int) -> int:
        """Take what the register holds now and return the total, which begins at the first such value."""
        if self._register is None:
            self._total = register
        elif register >= self._register:
            self._total += register - self._register
        else:
            self._total += self._since_it_fell(self._register, register)
        self._register = register
        return self._total

    def _since_it_fell(self, before: int, now: int) -> int:
        if self._span is not None and 0 <= (wrapped := self._span - before + now) <= self._span // 2:
            return wrapped
        # A reset, as after a suspend: what was counted between the last reading and then is lost. Registers wrap after
        # many minutes, so that the better part of one between two readings is no wrap.
        return now


@dataclass(frozen=True)
class Tally:
    """What a perf event has counted, and for how long it was wanted and did count.

    Attributes
    ----------
    running_ns
        Less than ``enabled_ns`` where the event had to share a hardware counter with others.
    """

    count: int
    enabled_ns: int
    running_ns: int


class Extrapolated:
    """Follows an event that shares its hardware counter, as if it had counted all the time.

    Each stretch between two readings is scaled by itself: scaling the whole count, as ``perf stat`` does at the end,
    would let the total fall when a busy stretch was seen for longer than its share.
    """

    def __init__(self) -> None:
        self._last = Tally(0, 0, 0)
        self._total = 0.0

    def advance(self, tally: Tally) -> float | None:
        """Take the tally of now and return the total; ``None`` if the event has not run since the last reading."""
        ran_ns = tally.running_ns - self._last.running_ns
        if ran_ns <= 0:
            return None
        wanted_ns = max(ran_ns, tally.enabled_ns - self._last.enabled_ns)
        self._total += max(0, tally.count - self._last.count) * wanted_ns / ran_ns
        self._last = tally
        return self._total
