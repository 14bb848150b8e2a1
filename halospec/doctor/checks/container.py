"""Limits that a container sets."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from halospec.doctor.counters import quota_stops
from halospec.doctor.judgement import Judgement, good, together
from halospec.doctor.machine import Machine
from halospec.limits import ContainerLimits, container_limits
from halospec.records.fitness import State

TIGHT = 0.10
"""Share of a memory limit that should be left."""
_GIB = 2**30
_WHOLE_CORES = "give the container whole cores in place of a quota (docker run --cpuset-cpus=0-3)"


def container(machine: Machine) -> Judgement:
    """Judge the CPU quota, whether it stopped us, and the memory that the limit leaves."""
    return judge_limits(
        container_limits(machine.files.root),
        machine_cores=psutil.cpu_count() or 1,
        stops=quota_stops(machine.files) or 0,
        stops_in_look=0 if machine.look is None else machine.look.quota_stops or 0,
    )


def judge_limits(limits: ContainerLimits, *, machine_cores: int, stops: int, stops_in_look: int) -> Judgement:
    """Judge limits, and in how many periods a spent quota stopped us: ever, and while the machine was watched."""
    parts = [*_quota(limits.cpu_cores, machine_cores, stops, stops_in_look), *_memory(limits)]
    return together(parts) if parts else good("no limit on CPU or memory")


def _quota(cpu_cores: float | None, machine_cores: int, stops: int, stops_in_look: int) -> Iterator[Judgement]:
    if cpu_cores is not None and cpu_cores < machine_cores:
        found = f"a quota of {cpu_cores:g} of {machine_cores} cores: once it is spent, all threads stop for a while"
        yield Judgement(State.WARNING, found, _WHOLE_CORES)
    if stops_in_look:
        yield Judgement(State.BAD, f"the quota stopped us {stops_in_look} times while we looked", _WHOLE_CORES)
    elif stops:
        yield Judgement(State.NOTE, f"the quota has stopped us {stops} times so far")


def _memory(limits: ContainerLimits) -> Iterator[Judgement]:
    if limits.memory_bytes is None:
        return
    used = limits.memory_used_bytes or 0
    found = f"{used / _GIB:.1f} of {limits.memory_bytes / _GIB:.1f} GiB that it may have are in use"
    if limits.memory_bytes - used < TIGHT * limits.memory_bytes:
        yield Judgement(State.WARNING, found, "raise the container's memory limit, or use a smaller model or context")
    else:
        yield good(found)
