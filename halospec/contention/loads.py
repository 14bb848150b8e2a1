"""What can be put on a machine: each kind of load with its amount, in its own unit.

These are wishes, which a plan may carry to another machine; whether one can have them there is for
`halospec.contention.possible` to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from halospec.contention.profiles.profile import WINDOW, Profile
from halospec.cores import available_cores
from halospec.records.loads import LoadKind as LoadKind

_MOST = 1e9
"""Of any rate or size, in its own unit: a petabyte and more, which still can be calculated with."""


@dataclass(frozen=True)
class CpuLoad:
    """Processes that compute, each for a share of one core's time.

    Attributes
    ----------
    workers
        Processes; as many as there are cores for this process by default.
    percent
        Share of a core's time that each asks for, 0 < percent <= 100.
    cores
        Logical cores that they are pinned to, in turn; none: where the system puts them.
    niceness
        As for ``nice``: above 0 they yield to others.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    workers: int = field(default_factory=available_cores)
    percent: float = 100.0
    cores: tuple[int, ...] = ()
    niceness: int = 0

    kind = LoadKind.CPU
    unit = "%"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(
                f"CPU load needs at least 1 worker, not {self.workers}; leave the load off to run without any."
            )
        if not 0 < self.percent <= 100:
            raise ValueError(
                f"The load percent must be above 0 and at most 100, not {self.percent:g}; "
                "it is the share of each worker's core."
            )
        if len(set(self.cores)) < len(self.cores) or any(core < 0 for core in self.cores):
            raise ValueError(f"Cores to pin to are different numbers from 0 on, not {', '.join(map(str, self.cores))}.")
        if not -20 <= self.niceness <= 19:
            raise ValueError(f"Niceness lies between -20 and 19, not at {self.niceness}.")

    @property
    def amount(self) -> float:
        """Percent of its workers' cores."""
        return self.percent


@dataclass(frozen=True)
class MemoryLoad:
    """Processes that copy between buffers too large for any cache.

    Attributes
    ----------
    gigabytes_per_s
        Of all workers together; what is read and what is written both count, 1 GB = 10⁹ bytes (as STREAM counts).
    buffer_mb
        Megabytes (10⁶ bytes) that each worker copies from, and as much again that it copies to; ``None``: four times
        the last-level cache.
    """

    gigabytes_per_s: float
    workers: int = 1
    buffer_mb: float | None = None

    kind = LoadKind.MEMORY
    unit = "GB/s"

    def __post_init__(self) -> None:
        _require_positive("A memory load's GB/s", self.gigabytes_per_s)
        _require_workers(self.workers)
        if self.buffer_mb is not None:
            _require_positive("A memory load's buffer", self.buffer_mb)

    @property
    def amount(self) -> float:
        """GB/s of all workers together."""
        return self.gigabytes_per_s


@dataclass(frozen=True)
class CacheLoad:
    """Processes that copy within a buffer which the last-level cache can hold, and so drive others out of it.

    Attributes
    ----------
    gigabytes_per_s
        Of all workers together, read and written.
    size_mb
        Megabytes that all workers together keep touching; ``None``: all of the last-level cache.
    """

    gigabytes_per_s: float
    workers: int = 1
    size_mb: float | None = None

    kind = LoadKind.CACHE
    unit = "GB/s"

    def __post_init__(self) -> None:
        _require_positive("A cache load's GB/s", self.gigabytes_per_s)
        _require_workers(self.workers)
        if self.size_mb is not None:
            _require_positive("A cache load's size", self.size_mb)

    @property
    def amount(self) -> float:
        """GB/s of all workers together."""
        return self.gigabytes_per_s


@dataclass(frozen=True)
class DiskLoad:
    """One process that writes a file of its own over and over, each piece down to the disk.

    Attributes
    ----------
    megabytes_per_s
        Written and synced.
    size_mb
        The file's size, in megabytes.
    directory
        Where it lies; ``None``: the system's folder for temporary files.
    """

    megabytes_per_s: float
    size_mb: float = 256.0
    directory: Path | None = None

    kind = LoadKind.DISK
    unit = "MB/s"
    workers = 1

    def __post_init__(self) -> None:
        _require_positive("A disk load's MB/s", self.megabytes_per_s)
        _require_positive("A disk load's size", self.size_mb)

    @property
    def amount(self) -> float:
        """MB/s."""
        return self.megabytes_per_s


@dataclass(frozen=True)
class ProcessLoad:
    """A command of the user's own, started with the load and ended with it, and all that it has started.

    Attributes
    ----------
    command
        The program and its arguments. No shell reads them.
    """

    command: tuple[str, ...]

    kind = LoadKind.PROCESS
    unit = "% of a core"
    workers = 1
    amount = None

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise ValueError("A process load needs a command, as in process:stress-ng --vm 1.")


AnyLoad = CpuLoad | MemoryLoad | CacheLoad | DiskLoad | ProcessLoad


@dataclass(frozen=True)
class Load:
    """A load and its course in time, from when it is switched on."""

    what: AnyLoad
    profile: Profile = WINDOW

    def __post_init__(self) -> None:
        if isinstance(self.what, ProcessLoad) and self.profile != WINDOW:
            raise ValueError("A process load is either on or off, so it takes no profile.")


def _require_positive(what: str, value: float) -> None:
    if not 0 < value <= _MOST:
        raise ValueError(f"{what} must be above 0 and at most {_MOST:.0f}, not {value:g}.")


def _require_workers(workers: int) -> None:
    if workers < 1:
        raise ValueError(f"A load needs at least 1 worker, not {workers}.")
