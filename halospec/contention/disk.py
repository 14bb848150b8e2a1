"""Contention for a disk: a file of our own, written over and over and synced piece by piece."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from halospec.contention.loads import DiskLoad
from halospec.contention.program import Counted, Program

_ON_DISK_BY_CUSTOM = Path("/var/tmp")  # noqa: S108 - the file that is put there has no name
_IN_MEMORY = ("tmpfs", "ramfs")


def program_of_disk(load: DiskLoad) -> Program:
    """Return what carries out a disk load on this machine."""
    return Program(
        arguments=(
            *("write", "--bytes-per-s", repr(load.megabytes_per_s * 1e6)),
            *("--size-bytes", str(file_bytes(load))),
            *("--directory", str(directory_of(load))),
        ),
        workers=load.workers,
        counted=Counted.OWN_COUNT,
        scale=1e3,  # A byte in a nanosecond is a thousand megabytes in a second.
        at_work_above=0.01 * load.megabytes_per_s,
    )


def file_bytes(load: DiskLoad) -> int:
    """Return the size that the file grows to."""
    return max(1, round(load.size_mb * 1e6))


def directory_of(load: DiskLoad) -> Path:
    """Return where the file lies on this machine: by default the temporary folder, unless that is kept in memory."""
    if load.directory is not None:
        return load.directory
    temporary = Path(tempfile.gettempdir())
    if is_in_memory(temporary) and _ON_DISK_BY_CUSTOM.is_dir() and not is_in_memory(_ON_DISK_BY_CUSTOM):
        return _ON_DISK_BY_CUSTOM
    return temporary


def is_in_memory(directory: Path) -> bool:
    """Tell whether a directory's files are kept in memory, where writing them does nothing to a disk."""
    within = (directory.resolve(), *directory.resolve().parents)
    mounts = {Path(partition.mountpoint): partition.fstype for partition in psutil.disk_partitions(all=True)}
    return next((mounts[folder] in _IN_MEMORY for folder in within if folder in mounts), False)
