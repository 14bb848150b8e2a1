"""One clock for a run: nanoseconds since its start, from ``time.perf_counter_ns``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]


def start_clock(origin_ns: int = 0) -> Clock:
    """Return a clock that reads ``origin_ns`` now; every part of a run shares the one the runner started."""
    zero_ns = time.perf_counter_ns() - origin_ns
    return lambda: time.perf_counter_ns() - zero_ns


def resume_clock(started_at: datetime, last_ns: int) -> Clock:
    """Return the clock of a run that goes on: it reads the wall-clock time since the run's start.

    Parameters
    ----------
    last_ns
        The latest reading of the run's clock so far. The new clock is later, even where the wall clock was set back.
    """
    elapsed_ns = (datetime.now(UTC) - started_at) // timedelta(microseconds=1) * 1_000
    return start_clock(max(elapsed_ns, last_ns + 1))
