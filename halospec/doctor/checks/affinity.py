"""Cores that this process may run on."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, good
from halospec.doctor.machine import Machine
from halospec.doctor.system_files import SystemFiles
from halospec.records.fitness import State


def affinity(machine: Machine) -> Judgement:
    """Note when this process, and so what it starts, is kept to some of the machine's cores."""
    online = _numbers(machine.files.text("sys/devices/system/cpu/online"))
    allowed_list = _allowed_list(machine.files)
    allowed = _numbers(allowed_list) & online
    if allowed == online:
        return good(f"this process may run on all {len(online)} cores")
    return Judgement(
        State.NOTE,
        f"this process may run on {len(allowed)} of {len(online)} cores ({allowed_list}), and loads with it",
    )


def _allowed_list(files: SystemFiles) -> str:
    for line in files.text("proc/self/status").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return value.strip()
    raise ValueError("the kernel does not say which cores this process may run on")


def _numbers(ranges: str) -> frozenset[int]:
    """Read a list of cores as the kernel writes it, such as ``0-3,8``."""
    numbers: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)
