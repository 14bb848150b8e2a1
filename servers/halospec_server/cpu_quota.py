"""How much CPU time a container leaves this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MOUNTS = ("", "unified", "cpu", "cpu,cpuacct")
"""Where the groups lie under ``/sys/fs/cgroup``: version 2 alone, version 2 beside version 1, and version 1."""


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the least quota of this process's control groups and those above them, in cores; ``None`` without one.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` lie.
    """
    return min((cores for group in _groups(root) if (cores := _cores(group)) is not None), default=None)


def _groups(root: Path) -> Iterator[Path]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = Path(path.lstrip("/")).parts
        # In a container its group may be mounted as the top, under which the path does not exist.
        for depth in range(0 if ".." in parts else len(parts), -1, -1):
            for mount in _MOUNTS:
                yield (root / "sys/fs/cgroup" / mount).joinpath(*parts[:depth])


def _cores(group: Path) -> float | None:
    written = _text(group / "cpu.max") or f"{_text(group / 'cpu.cfs_quota_us')} {_text(group / 'cpu.cfs_period_us')}"
    numbers = [int(number) for number in written.split() if number.isdecimal()]
    return numbers[0] / numbers[1] if len(numbers) == 2 and all(numbers) else None


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return ""
