"""How large this machine's last-level cache is: what a memory load must exceed, and a cache load fill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_BYTES = 32 * 1024 * 1024
"""Taken where the system does not say: what one desktop processor or one server core cluster has, or less."""

_SYSFS = Path("/sys/devices/system/cpu")
_SUFFIXES = {"K": 1024, "M": 1024**2, "G": 1024**3}
_MACOS_NAMES = ("hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize")
"""From the best answer to the worst: processors of Apple's own say nothing of a cache beyond the second level."""


@dataclass(frozen=True)
class LastLevelCache:
    """The largest cache of the last level. A machine may have several of it, one for each group of cores.

    Attributes
    ----------
    known
        Whether the system said so; otherwise the size is `DEFAULT_BYTES`.
    """

    size_bytes: int
    known: bool


def last_level_cache() -> LastLevelCache:
    """Return the last-level cache's size; in a virtual machine, what its host shows it."""
    if sys.platform == "linux":
        size_bytes = size_in_sysfs(_SYSFS)
    elif sys.platform == "darwin":
        size_bytes = size_by_sysctl(_sysctl)
    else:
        size_bytes = None
    return LastLevelCache(DEFAULT_BYTES, known=False) if size_bytes is None else LastLevelCache(size_bytes, known=True)


def size_in_sysfs(root: Path) -> int | None:
    """Return the size in bytes of the largest cache of the highest level under ``/sys/devices/system/cpu``."""
    found = max(
        (cache for index in root.glob("cpu[0-9]*/cache/index[0-9]*") for cache in _data_cache(index)), default=None
    )
    return found and found[1]


def _data_cache(index: Path) -> Iterator[tuple[int, int]]:
    # A virtual machine may leave out any of these files, or leave them empty.
    with suppress(OSError, ValueError, KeyError):
        if (index / "type").read_text().strip() == "Instruction":
            return
        size = (index / "size").read_text().strip()
        size_bytes = int(size[:-1]) * _SUFFIXES[size[-1]] if size[-1:].isalpha() else int(size)
        if size_bytes > 0:
            yield int((index / "level").read_text()), size_bytes


def size_by_sysctl(sysctl: Callable[[str], str]) -> int | None:
    """Return the size in bytes by macOS's names; ``sysctl`` returns a name's value, empty for one that is unknown."""
    for name in _MACOS_NAMES:
        value = sysctl(name).strip()
        if value.isdigit() and int(value) > 0:
            return int(value)
    return None


def _sysctl(name: str) -> str:
    return subprocess.run(
        ["/usr/sbin/sysctl", "-n", name], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    ).stdout
