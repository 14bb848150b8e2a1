"""Which events count what goes to and from memory, on the controllers that are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from halospec.telemetry.perf_events import Event
from halospec.telemetry.pmu import Pmu

READ, WRITTEN, BOTH = "read_bytes", "write_bytes", "total_bytes"

_LINE_BYTES = 64
"""A burst to or from memory moves one cache line."""

_INTEL = re.compile(r"uncore_imc(_\d+)?")
_INTEL_FREE_RUNNING = re.compile(r"uncore_imc_free_running(_\d+)?")
_INTEL_EVENTS = {
    # Xeons; those from Granite Rapids on have two schedulers a channel.
    "cas_count_read": READ,
    "cas_count_write": WRITTEN,
    "cas_count_read_sch0": READ,
    "cas_count_write_sch0": WRITTEN,
    "cas_count_read_sch1": READ,
    "cas_count_write_sch1": WRITTEN,
    # Core processors: to the sixth-generation design, and from Tiger Lake on.
    "data_reads": READ,
    "data_writes": WRITTEN,
    "data_read": READ,
    "data_write": WRITTEN,
    # Atom servers, and the free-running counters of Xeons.
    "read": READ,
    "write": WRITTEN,
}

_AMD_UMC = re.compile(r"amd_umc_\d+")
_AMD_UMC_EVENTS = {"event=0x0a,rdwrmask=0x1": READ, "event=0x0a,rdwrmask=0x2": WRITTEN}
"""CAS commands for reads and for writes, from Zen 4 on (AMD, Processor Programming Reference, UMC 0x0a)."""

_AMD_DF = "amd_df"
_AMD_DF_CHANNELS = (0x07, 0x47, 0x87, 0xC7, 0x107, 0x147, 0x187, 0x1C7)
"""Requests with data at each DRAM channel of a die, Zen 1 to 3; one number for reads and writes."""
_AMD_DF_REQUESTS_WITH_DATA = 0x38
_ZEN_1_TO_3_UMASK = "config:8-15"
"""From Zen 4 on, the field is wider and its numbers mean other things."""


@dataclass(frozen=True)
class MemoryEvent:
    """An event of one memory controller.

    Attributes
    ----------
    column
        What its bytes are added to.
    cpu
        On which it is opened; any of the controller's socket serves it.
    bytes_a_count
        Bytes moved for each count.
    """

    column: str
    event: Event
    cpu: int
    bytes_a_count: float


def memory_events(devices: Path) -> tuple[MemoryEvent, ...]:
    """Return the events that together count each byte once; none where no controller is known.

    Raises
    ------
    PmuError
        If a controller is known but its description is not understood.
    """
    units = [Pmu(path) for path in sorted(devices.iterdir())] if devices.is_dir() else []
    families: Sequence[Callable[[Sequence[Pmu]], tuple[MemoryEvent, ...]]] = (
        lambda units: _intel(_INTEL, units),
        lambda units: _intel(_INTEL_FREE_RUNNING, units),
        _amd_umc,
        _amd_df,
    )
    return next((events for family in families if (events := family(units))), ())


def needs_newer_kernel(devices: Path) -> bool:
    """Return whether the processor's memory controllers can be counted, but not by this kernel (AMD, before 6.8)."""
    unit = Pmu(devices / _AMD_DF)
    return unit.path.is_dir() and unit.field("umask") != _ZEN_1_TO_3_UMASK


def _intel(named: re.Pattern[str], units: Sequence[Pmu]) -> tuple[MemoryEvent, ...]:
    return tuple(
        MemoryEvent(_INTEL_EVENTS[name], unit.event_named(name), cpu, unit.bytes_a_count(name, _LINE_BYTES))
        for unit in units
        if named.fullmatch(unit.name)
        for name in sorted(unit.names() & _INTEL_EVENTS.keys())
        for cpu in unit.cpus
    )


def _amd_umc(units: Sequence[Pmu]) -> tuple[MemoryEvent, ...]:
    return tuple(
        MemoryEvent(column, unit.event(spelled), cpu, _LINE_BYTES)
        for unit in units
        if _AMD_UMC.fullmatch(unit.name)
        for spelled, column in _AMD_UMC_EVENTS.items()
        for cpu in unit.cpus
    )


def _amd_df(units: Sequence[Pmu]) -> tuple[MemoryEvent, ...]:
    return tuple(
        MemoryEvent(BOTH, unit.event(f"event={channel:#x},umask={_AMD_DF_REQUESTS_WITH_DATA:#x}"), cpu, _LINE_BYTES)
        for unit in units
        if unit.name == _AMD_DF and unit.field("umask") == _ZEN_1_TO_3_UMASK
        for channel in _AMD_DF_CHANNELS
        for cpu in unit.cpus
    )
