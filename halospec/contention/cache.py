"""Contention for the last-level cache: copies within what it can hold, which drive out what others keep there."""

from __future__ import annotations

from halospec.contention.last_level_cache import last_level_cache
from halospec.contention.loads import CacheLoad
from halospec.contention.program import Counted, Program


def program_of_cache(load: CacheLoad) -> Program:
    """Return what carries out a cache load on this machine: streams that share its amount and its size."""
    return Program(
        arguments=(
            *("stream", "--bytes-per-s", repr(load.gigabytes_per_s * 1e9 / load.workers)),
            # What is copied from and what is copied to take up room alike.
            *("--buffer-bytes", str(max(1, touched_bytes(load) // (2 * load.workers)))),
        ),
        workers=load.workers,
        counted=Counted.OWN_COUNT,
        scale=1.0,  # A byte in a nanosecond is a gigabyte in a second.
        at_work_above=0.01 * load.gigabytes_per_s,
    )


def touched_bytes(load: CacheLoad) -> int:
    """Return how much memory all workers together keep touching, on this machine."""
    return last_level_cache().size_bytes if load.size_mb is None else round(load.size_mb * 1e6)
