"""Whether this machine can carry the loads that a plan asks for: said before anything is started or sent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from halospec.contention.cache import touched_bytes
from halospec.contention.disk import directory_of, file_bytes, is_in_memory
from halospec.contention.loads import AnyLoad, CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.memory import memory_bytes
from halospec.contention.protocol import ContentionError
from halospec.contention.settings import shown
from halospec.cores import available_cores, usable_core_numbers
from halospec.limits import container_limits

MAX_WORKERS_PER_CORE = 8
"""More workers than this on a core load the scheduler and the memory rather than the CPU."""

KEPT_FREE_BYTES = 512 * 10**6
KEPT_FREE_SHARE = 0.1
"""Loads leave free the larger of these, of memory and of a disk: whoever is short of either fails, not slows down."""

_BECOME_NICE = "import os, sys; os.setpriority(os.PRIO_PROCESS, 0, int(sys.argv[1]))"


def require_possible(loads: Sequence[Load]) -> None:
    """Return if this machine can carry all these loads together.

    Nothing is left of what is tried for that: a file without a name in a disk load's directory, and a process that
    takes on a niceness which may need rights.

    Raises
    ------
    ContentionError
        If it cannot, with one sentence on why and what to do.
    """
    wanted = [load.what for load in loads]
    _require_cores(wanted)
    for load in wanted:
        if isinstance(load, CpuLoad):
            _require_pinning(load.cores)
            _require_niceness(load.niceness)
        elif isinstance(load, DiskLoad):
            _require_directory(directory_of(load))
        elif isinstance(load, ProcessLoad):
            _require_command(load.command[0])
    _require_memory(
        sum(memory_bytes(load) for load in wanted if isinstance(load, MemoryLoad))
        + sum(touched_bytes(load) for load in wanted if isinstance(load, CacheLoad))
    )
    _require_room(load for load in wanted if isinstance(load, DiskLoad))


def _require_cores(wanted: Sequence[AnyLoad]) -> None:
    workers = sum(load.workers for load in wanted if not isinstance(load, ProcessLoad))
    cores = available_cores()
    most = MAX_WORKERS_PER_CORE * cores
    if workers > most:
        share = next((one for one in wanted if isinstance(one, CpuLoad) and most < one.workers <= 100), None)
        raise ContentionError(
            f"{workers} load workers are too many for {cores} cores; ask for {most} at most"
            + (f", or for a share of every core (cpu:{share.workers}%)." if share else ".")
        )


def _require_pinning(cores: tuple[int, ...]) -> None:
    if cores and not hasattr(psutil.Process, "cpu_affinity"):
        raise ContentionError("This system lets no process be pinned to a core; leave cores= off.")
    ours = usable_core_numbers()
    others = [core for core in cores if core not in ours]
    if others:
        raise ContentionError(
            f"This process may not use core {shown(_listed(others))}; pin load workers to cores out of {_listed(ours)}."
        )


def _require_niceness(niceness: int) -> None:
    if not niceness:
        return
    if sys.platform == "win32":
        raise ContentionError("Windows knows no niceness; leave niceness= off.")
    if niceness < os.getpriority(os.PRIO_PROCESS, 0):
        # Rights to it come in several ways (a capability, a limit of the user's): only trying tells.
        tried = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _BECOME_NICE, str(niceness)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if tried.returncode:
            raise ContentionError(
                f"Load workers may not have niceness {niceness}: values below the present one need administrator "
                "rights (CAP_SYS_NICE); ask for 0 or more."
            )


def _require_command(program: str) -> None:
    if shutil.which(program) is None:
        raise ContentionError(
            f"There is no program {shown(program)} to run as a load; install it, or write its path behind process:."
        )


def _require_directory(directory: Path) -> None:
    name = shown(str(directory))
    if not directory.is_dir():
        raise ContentionError(f"There is no directory {name} for a disk load; make it, or name another (directory=).")
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ContentionError(
            f"No file can be made in {name} for a disk load ({error.strerror}); name another directory (directory=)."
        ) from error
    if is_in_memory(directory):
        raise ContentionError(
            f"The files of {name} are kept in memory, so that writing them loads no disk; "
            "name a directory on a disk (directory=)."
        )


def _require_memory(needed: int) -> None:
    free, where = psutil.virtual_memory().available, "on this machine"
    left = container_limits().memory_left_bytes
    if left is not None and left < free:
        free, where = left, "in this container"
    if needed and needed > _to_be_had(free):
        raise ContentionError(
            f"The loads need {_megabytes(needed)} of memory, and of {_megabytes(free)} that are free {where} they may "
            f"take {_megabytes(_to_be_had(free))}; ask for less (buffer=, size=) or for fewer workers."
        )


def _require_room(loads: Iterable[DiskLoad]) -> None:
    needed: dict[int, int] = {}
    for load in loads:
        directory = directory_of(load)
        device = directory.stat().st_dev
        needed[device] = needed.get(device, 0) + file_bytes(load)
        free = shutil.disk_usage(directory).free
        if needed[device] > _to_be_had(free):
            raise ContentionError(
                f"The disk loads need {_megabytes(needed[device])} in {shown(str(directory))}, and of "
                f"{_megabytes(free)} that are free there they may take {_megabytes(_to_be_had(free))}; "
                "ask for a smaller file (size=) or name another directory (directory=)."
            )


def _to_be_had(free: int) -> int:
    return max(0, free - max(KEPT_FREE_BYTES, round(KEPT_FREE_SHARE * free)))


def _megabytes(number: int) -> str:
    return f"{number / 1e6:.0f} MB"


def _listed(cores: Iterable[int]) -> str:
    return ", ".join(map(str, cores))
