"""Contention for memory bandwidth: copies between buffers that no cache can hold."""

from __future__ import annotations

from halospec.contention.last_level_cache import last_level_cache
from halospec.contention.loads import MemoryLoad
from halospec.contention.program import Counted, Program

CACHES_A_BUFFER = 4
"""A default buffer's size in last-level caches: STREAM's rule for its arrays (McCalpin, 1995)."""


def program_of_memory(load: MemoryLoad) -> Program:
    """Return what carries out a memory load on this machine: streams that share its amount."""
    return Program(
        arguments=(
            *("stream", "--bytes-per-s", repr(load.gigabytes_per_s * 1e9 / load.workers)),
            *("--buffer-bytes", str(buffer_bytes(load))),
        ),
        workers=load.workers,
        counted=Counted.OWN_COUNT,
        scale=1.0,  # A byte in a nanosecond is a gigabyte in a second.
        at_work_above=0.01 * load.gigabytes_per_s,
    )


def buffer_bytes(load: MemoryLoad) -> int:
    """Return the size of each of a worker's two buffers, on this machine."""
    if load.buffer_mb is None:
        return CACHES_A_BUFFER * last_level_cache().size_bytes
    return max(1, round(load.buffer_mb * 1e6))


def memory_bytes(load: MemoryLoad) -> int:
    """Return the memory that all workers' buffers take up together, on this machine."""
    return 2 * buffer_bytes(load) * load.workers
