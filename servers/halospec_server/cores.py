"""How many cores there are to decode with."""

from __future__ import annotations

import os

import psutil


def usable_cores() -> int:
    """Return the physical cores this process may run on: hyper-threads slow these kernels down."""
    return max(1, min(allowed_cpus(), psutil.cpu_count(logical=False) or allowed_cpus()))


def allowed_cpus() -> int:
    """Return the logical processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
