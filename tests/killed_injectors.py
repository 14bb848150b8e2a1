"""Loads of every kind, for what must hold of each: that nothing of it outlives whoever put it on the machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from halospec.contention.loads import CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad


@dataclass(frozen=True)
class KilledLoad:
    """A load whose parent is to be killed.

    Attributes
    ----------
    name
        Of the test.
    processes
        How many it consists of once it is on, those included that its workers have started.
    """

    name: str
    load: Load
    processes: int


KILLED_LOADS = [
    KilledLoad("cpu", Load(CpuLoad(workers=2, percent=20.0)), processes=2),
    KilledLoad("memory", Load(MemoryLoad(gigabytes_per_s=0.1, workers=2, buffer_mb=4.0)), processes=2),
    KilledLoad("cache", Load(CacheLoad(gigabytes_per_s=0.1, workers=2, size_mb=1.0)), processes=2),
    KilledLoad("disk", Load(DiskLoad(megabytes_per_s=1.0, size_mb=1.0)), processes=1),
    KilledLoad("process", Load(ProcessLoad((sys.executable, "-c", "import time; time.sleep(60)"))), processes=2),
]

if sys.platform == "linux":
    # Without a parent, in a session of its own: only what adopts orphans finds it again.
    with_a_daemon = ProcessLoad(("sh", "-c", "(setsid sleep 60 &); exec sleep 60"))
    KILLED_LOADS.append(KilledLoad("process with a daemon", Load(with_a_daemon), processes=3))
