"""What a machine's counters say at one moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psutil

from halospec.doctor.counters import heat_throttles, quota_stops, swapped_bytes
from halospec.doctor.system_files import SystemFiles

_BUSY = ("user", "nice", "system", "irq", "softirq")
"""Kinds of CPU time that keep a core from others; guests' time is part of ``user``."""
_IDLE = "System Idle Process"
"""What Windows calls the time in which no process ran."""
_ATTRIBUTES = ["create_time", "name", "cpu_times"]


@dataclass(frozen=True)
class ProcessTime:
    """The CPU time that a process has used; its number and its start together are its alone."""

    pid: int
    started_s: float
    name: str
    cpu_s: float


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; ``None`` where the system does not count.

    Attributes
    ----------
    busy_s, own_s
        CPU time of all processes of the machine, and of this one.
    stolen_s
        Time in which a virtual machine wanted to run and its host ran something else.
    swapped_bytes
        Moved to and from swap.
    heat_throttles, quota_stops
        As in `halospec.doctor.counters`.
    processes
        By number; those whose time we may not read are left out.
    """

    at_s: float
    busy_s: float
    own_s: float
    stolen_s: float | None = None
    swapped_bytes: int | None = None
    heat_throttles: int | None = None
    quota_stops: int | None = None
    processes: Mapping[int, ProcessTime] = field(default_factory=dict)


def snapshot(files: SystemFiles) -> Snapshot:
    """Read the counters now."""
    # The processes come first: going through them is work, which the counters of the same moment should hold.
    processes = {process.pid: process for process in _process_times()}
    times = psutil.cpu_times()
    return Snapshot(
        at_s=time.perf_counter(),
        busy_s=sum(getattr(times, kind, 0.0) for kind in _BUSY),
        own_s=time.process_time(),
        stolen_s=getattr(times, "steal", None),
        swapped_bytes=_read(swapped_bytes, files),
        heat_throttles=_read(heat_throttles, files),
        quota_stops=_read(quota_stops, files),
        processes=processes,
    )


def _process_times() -> list[ProcessTime]:
    return [
        ProcessTime(
            pid=process.pid,
            started_s=process.info["create_time"],
            name=process.info["name"] or "?",
            cpu_s=process.info["cpu_times"].user + process.info["cpu_times"].system,
        )
        for process in psutil.process_iter(_ATTRIBUTES)
        if process.info["cpu_times"] is not None and process.info["name"] != _IDLE
    ]


def _read(counter: Callable[[SystemFiles], int | None], files: SystemFiles) -> int | None:
    try:
        return counter(files)
    except (OSError, ValueError):
        # One counter that cannot be read is no reason to lose the others; the check that needs it has none then.
        return None
