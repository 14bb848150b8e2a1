"""Stand-ins for memory controllers: their description under /sys, and a kernel that counts their events."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from halospec.telemetry.counters import Tally
from halospec.telemetry.perf_events import Event
from sysfs_stand_in import write

MIB_A_LINE = "6.103515625e-5"


def unit(
    sysfs: Path,
    name: str,
    *,
    type_: int = 20,
    cpumask: str = "0",
    formats: Mapping[str, str],
    events: Mapping[str, str] | None = None,
) -> Path:
    """Describe a performance monitoring unit; events come with a scale in MiB where they move lines."""
    folder = sysfs / "bus" / "event_source" / "devices" / name
    write(folder / "type", type_)
    write(folder / "cpumask", cpumask)
    for named, bits in formats.items():
        write(folder / "format" / named, bits)
    for event, spelled in (events or {}).items():
        write(folder / "events" / event, spelled)
        if event != "clockticks":
            write(folder / "events" / f"{event}.scale", MIB_A_LINE)
            write(folder / "events" / f"{event}.unit", "MiB")
    return folder


def xeon(sysfs: Path, *, channels: int = 2, cpumask: str = "0,28") -> None:
    for channel in range(channels):
        unit(
            sysfs,
            f"uncore_imc_{channel}",
            type_=20 + channel,
            cpumask=cpumask,
            formats={"event": "config:0-7", "umask": "config:8-15"},
            events={
                "clockticks": "event=0x00,umask=0x00",
                "cas_count_read": "event=0x04,umask=0x03",
                "cas_count_write": "event=0x04,umask=0x0c",
            },
        )


def zen4(sysfs: Path, *, channels: int = 2) -> None:
    for channel in range(channels):
        formats = {"event": "config:0-7", "rdwrmask": "config:8-9"}
        unit(sysfs, f"amd_umc_{channel}", type_=30 + channel, formats=formats)
    unit(sysfs, "amd_df", type_=12, formats={"event": "config:0-7,32-37", "umask": "config:8-15,24-27"})


def zen2(sysfs: Path) -> None:
    unit(sysfs, "amd_df", type_=12, formats={"event": "config:0-7,32-35,59-60", "umask": "config:8-15"})


@dataclass
class Opened:
    """An event that is being counted."""

    event: Event
    process: int
    cpu: int
    tally: Tally | None = field(default_factory=lambda: Tally(0, 0, 0))


class StandInKernel:
    """Counts what a test says; refuses with ``error`` from the event number ``refuse_from`` on."""

    def __init__(self, *, error: int | None = None, refuse_from: int = 0) -> None:
        self.error = error
        self.refuse_from = refuse_from
        self.opened: dict[int, Opened] = {}
        self._numbers: Iterator[int] = iter(range(100, 1000))

    def open(self, event: Event, *, process: int, cpu: int) -> int:
        if self.error is not None and len(self.opened) >= self.refuse_from:
            raise OSError(self.error, os.strerror(self.error))
        descriptor = next(self._numbers)
        self.opened[descriptor] = Opened(event, process, cpu)
        return descriptor

    def read(self, descriptor: int) -> Tally | None:
        if descriptor not in self.opened:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.opened[descriptor].tally

    def close(self, descriptor: int) -> None:
        del self.opened[descriptor]

    def go_on(self, count: int, *, ns: int = 100_000_000, running_ns: int | None = None) -> None:
        """Let every event count more in a stretch of time, and run for all of it unless told."""
        for opened in self.opened.values():
            assert opened.tally is not None
            opened.tally = Tally(
                opened.tally.count + count,
                opened.tally.enabled_ns + ns,
                opened.tally.running_ns + (ns if running_ns is None else running_ns),
            )
