"""What a container, or any other control group, leaves this process of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_NO_LIMIT_FROM = 2**62
"""Version 1 writes the largest number of whole pages for no limit at all."""


@dataclass(frozen=True)
class ContainerLimits:
    """Limits of control groups; ``None`` where there is none, or it cannot be read.

    Attributes
    ----------
    cpu_cores
        Cores' worth of CPU time, the least on the way up the groups; may be a fraction.
    memory_bytes, memory_used_bytes
        Of the group on that way which leaves the least. Files that the system keeps in memory only while nobody needs
        the room (``inactive_file``) are not counted as used.
    """

    cpu_cores: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None

    @property
    def memory_left_bytes(self) -> int | None:
        """What may still be taken; ``None`` without a limit."""
        return None if self.memory_bytes is None else max(0, self.memory_bytes - (self.memory_used_bytes or 0))


def container_limits(root: Path = Path("/")) -> ContainerLimits:
    """Read the limits of this process, from version 1 and version 2 of the groups.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` lie.
    """
    quotas = [cores for group in _groups(root, "cpu") if (cores := _cores(group)) is not None]
    limited = [memory for group in _groups(root, "memory") if (memory := _memory(group)) is not None]
    limit, used = min(limited, key=lambda memory: memory[0] - (memory[1] or 0), default=(None, None))
    return ContainerLimits(cpu_cores=min(quotas, default=None), memory_bytes=limit, memory_used_bytes=used)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups for a controller, each with all above it."""
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        group = PurePosixPath(path.lstrip("/"))
        # A group outside of what is mounted here has no name in it.
        parts = () if ".." in group.parts else group.parts
        if not controllers:
            folders = (mounts, mounts / "unified")
        elif controller in controllers.split(","):
            folders = (mounts / controller, mounts / controllers)
        else:
            continue
        for folder in dict.fromkeys(folders):
            # In a container the groups' own folder may be mounted as the top, under which its path does not exist.
            for depth in range(len(parts), -1, -1):
                yield folder.joinpath(*parts[:depth])


def _cores(group: Path) -> float | None:
    quota, period = (*_text(group / "cpu.max").split(), "", "")[:2]
    if not quota:
        quota, period = _text(group / "cpu.cfs_quota_us").strip(), _text(group / "cpu.cfs_period_us").strip()
    if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
        return int(quota) / int(period)
    return None


def _memory(group: Path) -> tuple[int, int | None] | None:
    for limit_name, used_name, cached_name in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _text(group / limit_name).strip()
        if limit.isdecimal() and int(limit) < _NO_LIMIT_FROM:
            used = _text(group / used_name).strip()
            cached = _cached_bytes(group, cached_name)
            return int(limit), max(0, int(used) - cached) if used.isdecimal() else None
    return None


def _cached_bytes(group: Path, name: str) -> int:
    for line in _text(group / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return int(value)
    return 0


def _text(path: Path) -> str:
    # Absent on other systems and where there are no groups; some may not be read.
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return ""
