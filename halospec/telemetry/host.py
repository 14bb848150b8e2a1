"""The machine a run happened on: what a reader of its numbers must know."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from halospec.cores import available_cores
from halospec.telemetry.gpu import gpu_names


class HostFacts(BaseModel):
    """A machine and what it was doing when the run began.

    Attributes
    ----------
    usable_cores
        Logical cores this process may run on.
    load_average_1m
        Runnable processes in the last minute; None where the system does not count them.
    """

    model_config = ConfigDict(frozen=True)

    system: str
    machine: str
    python: str
    cpu: str
    physical_cores: int | None
    logical_cores: int | None
    usable_cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    load_average_1m: float | None


def host_facts() -> HostFacts:
    """Read the facts off this machine."""
    return HostFacts(
        system=platform.platform(),
        machine=platform.machine(),
        python=platform.python_version(),
        cpu=_cpu_model(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=psutil.cpu_count(),
        usable_cores=available_cores(),
        memory_bytes=psutil.virtual_memory().total,
        gpus=gpu_names(),
        load_average_1m=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _cpu_model() -> str:
    """Return the CPU's name; ``platform.processor`` is empty or just the architecture on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
