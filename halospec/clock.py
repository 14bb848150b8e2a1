"""One clock for a run: nanoseconds since its start, from ``time.perf_counter_ns``."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def start_clock() -> Clock:
    """Return a clock that reads 0 now; every part of a run shares the one the runner started."""
    origin_ns = time.perf_counter_ns()
    return lambda: time.perf_counter_ns() - origin_ns
