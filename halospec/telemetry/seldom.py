"""Readings that cost too much to take at every tick."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

SHARE_OF_A_CORE = 0.002


class Seldom(Generic[Value]):
    """Takes a reading now and then: however dear it is on this machine, it stays under a share of a core.

    What walks through /sys or through all processes costs tens of microseconds on one machine and tens of milliseconds
    on another, so each call is timed, and the next one waits the longer for it.

    Parameters
    ----------
    every_s
        Least time between two readings.
    share
        Of one core's time.
    """

    def __init__(
        self,
        read: Callable[[], Value],
        *,
        every_s: float,
        share: float = SHARE_OF_A_CORE,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._share = share
        self._now = now
        self._cpu = cpu
        self._next_s = float("-inf")

    def __call__(self) -> Value | None:
        """Read; ``None`` as long as it is too early to. What the reading raises is raised here."""
        now_s = self._now()
        if now_s < self._next_s:
            return None
        before_s = self._cpu()
        try:
            return self._read()
        finally:
            self._next_s = now_s + max(self._every_s, (self._cpu() - before_s) / self._share)
