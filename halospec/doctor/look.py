"""Watching a machine for a moment: what went on between two snapshots."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TypeVar

import psutil

from halospec.doctor.snapshot import Snapshot, snapshot
from halospec.doctor.system_files import SystemFiles

_Count = TypeVar("_Count", int, float)
_WORTH_NAMING = 0.02
"""Cores; the system counts CPU time in steps of 10 ms, which is as much of half a second."""


@dataclass(frozen=True)
class CpuUser:
    """A process and how many cores it kept busy."""

    pid: int
    name: str
    cores: float


@dataclass(frozen=True)
class Look:
    """What went on in a stretch of time; ``None`` where the system does not count.

    Attributes
    ----------
    machine_cores
        Logical cores of the machine.
    others_cores
        How many of them all processes but this one kept busy.
    users
        Those processes, the biggest first.
    stolen_cores
        How many cores' time the host of a virtual machine gave to others, while it was wanted here.
    swapped_bytes, heat_throttles, quota_stops
        What was added to the counters of `halospec.doctor.snapshot.Snapshot`.
    """

    seconds: float
    machine_cores: int
    others_cores: float
    users: tuple[CpuUser, ...] = ()
    stolen_cores: float | None = None
    swapped_bytes: int | None = None
    heat_throttles: int | None = None
    quota_stops: int | None = None


def look(files: SystemFiles, seconds: float) -> Look:
    """Watch the machine for so long; blocks meanwhile."""
    before = snapshot(files)
    time.sleep(seconds)
    return between(before, snapshot(files), machine_cores=psutil.cpu_count() or 1)


def between(before: Snapshot, after: Snapshot, *, machine_cores: int, own_pid: int | None = None) -> Look:
    """Return what went on between two snapshots.

    Parameters
    ----------
    own_pid
        The process that is none of the others; this one by default.
    """
    seconds = after.at_s - before.at_s
    if seconds <= 0:
        raise ValueError("two snapshots of the same moment show nothing")
    stolen_s = _grown(before.stolen_s, after.stolen_s)
    return Look(
        seconds=seconds,
        machine_cores=machine_cores,
        others_cores=max(0.0, after.busy_s - before.busy_s - (after.own_s - before.own_s)) / seconds,
        users=_users(before, after, seconds, os.getpid() if own_pid is None else own_pid),
        stolen_cores=None if stolen_s is None else stolen_s / seconds,
        swapped_bytes=_grown(before.swapped_bytes, after.swapped_bytes),
        heat_throttles=_grown(before.heat_throttles, after.heat_throttles),
        quota_stops=_grown(before.quota_stops, after.quota_stops),
    )


def _users(before: Snapshot, after: Snapshot, seconds: float, own_pid: int) -> tuple[CpuUser, ...]:
    users = []
    for pid, now in after.processes.items():
        then = before.processes.get(pid)
        # A process that began meanwhile has used all of its time in this stretch.
        used_s = now.cpu_s - (then.cpu_s if then is not None and then.started_s == now.started_s else 0.0)
        if pid != own_pid and used_s / seconds >= _WORTH_NAMING:
            users.append(CpuUser(pid, now.name, used_s / seconds))
    return tuple(sorted(users, key=lambda user: (-user.cores, user.pid)))


def _grown(before: _Count | None, after: _Count | None) -> _Count | None:
    return None if before is None or after is None else max(after - before, type(after)(0))
