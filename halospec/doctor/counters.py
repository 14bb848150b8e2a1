"""Counters in system files that only ever grow: what matters is whether they grow while one looks."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import product

from halospec.doctor.system_files import SystemFiles


def heat_throttles(files: SystemFiles) -> int | None:
    """Return how often any core or package was slowed down for heat since the start; ``None`` if nothing counts it."""
    counts = files.texts("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
    return sum(map(int, counts)) if counts else None


def quota_stops(files: SystemFiles) -> int | None:
    """Return in how many periods a spent CPU quota stopped this process's group, or one above; ``None`` if not kept."""
    counts = [_counted(files.text_if_there(path), "nr_throttled") for path in _cpu_statistics(files)]
    return max((count for count in counts if count is not None), default=None)


def swapped_bytes(files: SystemFiles) -> int | None:
    """Return how much went to and from swap since the start; ``None`` if nothing counts it."""
    text = files.text_if_there("proc/vmstat")
    pages_in, pages_out = _counted(text, "pswpin"), _counted(text, "pswpout")
    return None if pages_in is None or pages_out is None else (pages_in + pages_out) * mmap.PAGESIZE


def _counted(text: str | None, name: str) -> int | None:
    for line in (text or "").splitlines():
        word, _, value = line.partition(" ")
        if word == name:
            return int(value)
    return None


def _cpu_statistics(files: SystemFiles) -> Iterator[str]:
    """Yield where the groups' statistics may lie: this process's own group, and all above it."""
    for line in (files.text_if_there("proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif "cpu" in controllers.split(","):
            mounts = [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"]
        else:
            continue
        parts = [part for part in group.split("/") if part not in ("", "..")]
        # In a container its own group may be mounted as the top, under which the group's path does not exist.
        for mount, depth in product(mounts, range(len(parts), -1, -1)):
            yield "/".join([mount, *parts[:depth], "cpu.stat"])
