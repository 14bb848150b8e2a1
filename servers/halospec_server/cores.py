"""How many cores there are to decode with."""

from __future__ import annotations

import math
import os

import psutil

from halospec_server.cpu_quota import cpu_quota


def usable_cores() -> int:
    """Return the physical cores this process may run on: hyper-threads slow these kernels down."""
    return max(1, min(allowed_cpus(), psutil.cpu_count(logical=False) or allowed_cpus()))


def allowed_cpus() -> int:
    """Return the logical processors this process has: by its affinity, and by its container's quota, rounded up.

    Threads beyond a quota use it up early in each period and then all of them stand still until the next.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))
