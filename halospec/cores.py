"""The cores this process may use."""

from __future__ import annotations

import math
import os

import psutil

from halospec.limits import container_limits


def available_cores() -> int:
    """Return how many logical cores this process has: by its affinity, and by its container's CPU quota, rounded up."""
    quota = container_limits().cpu_cores
    allowed = len(usable_core_numbers())
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def usable_core_numbers() -> tuple[int, ...]:
    """Return the numbers of the logical cores that this process may run on, in order."""
    affinity = getattr(psutil.Process(), "cpu_affinity", None)
    return tuple(sorted(affinity() if affinity else range(os.cpu_count() or 1)))
