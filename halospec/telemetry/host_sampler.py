"""The whole machine, through psutil: cores, frequency, load, memory, swap, context switches, temperature.

A reading costs about a quarter of a millisecond on 2 cores. Frequency, swap and temperature are files of /sys and
/proc that take longest and change least, and some sensors are asked over slow buses, so they are read once a second, or
less often where that is dear.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from halospec.telemetry.pressure import open_pressure
from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.seldom import Seldom

_SOURCE = "host"
_SLOW_S = 1.0
_FAULTS = (OSError, RuntimeError, ValueError, NotImplementedError, psutil.Error)
"""What psutil raises where a machine has no such file, sensor or right."""
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")
"""Drivers whose sensors are a CPU's, the likeliest first."""
_COLDEST_C, _HOTTEST_C = -40.0, 150.0
"""Sensors outside of this are not connected."""


@dataclass(frozen=True)
class _Part:
    """Some columns that are read together."""

    columns: tuple[Column, ...]
    read: Callable[[], Reading]


class HostSampler:
    """Reads the parts that this machine has; a part that cannot be read this time is left out."""

    source = _SOURCE

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = tuple(parts)
        self.columns = tuple(column for part in parts for column in part.columns)

    def read(self) -> Reading:
        """Read every part."""
        values: dict[str, float] = {}
        for part in self._parts:
            with suppress(*_FAULTS):
                values.update(part.read())
        return values

    def close(self) -> None:
        """Do nothing: psutil keeps nothing open."""


def open_host(surroundings: Surroundings) -> Sequence[Sampler | Missing]:  # noqa: ARG001  (an opener's signature)
    """Find out which parts can be read here."""
    parts: list[_Part] = []
    missing: list[Missing] = []
    for find in (_core_use, _frequency, _load_average, _memory, _swap, _context_switches, _temperature):
        found = find()
        (parts if isinstance(found, _Part) else missing).append(found)  # type: ignore[arg-type]
    return (HostSampler(parts), *missing, *open_pressure())


class CoreUse:
    """Busy shares of cores between one reading and the next, 0 to 100.

    Busy is all that is neither idle nor waiting for a disk, time that a hypervisor gave to others included, as psutil
    counts it.

    Parameters
    ----------
    read
        Each core's busy and total seconds so far.
    """

    def __init__(self, read: Callable[[], Sequence[tuple[float, float]]]) -> None:
        self._read = read
        self._before = tuple(read())

    def __call__(self) -> Reading:
        """Return the shares since the last call; those of cores whose clock has not moved are left out."""
        now = tuple(self._read())
        # A core may be taken away, or its clock may not have moved yet.
        cores = [(core, b - b0, t - t0) for core, ((b, t), (b0, t0)) in enumerate(zip(now, self._before, strict=False))]
        moved = [(core, busy_s, total_s) for core, busy_s, total_s in cores if total_s > 0]
        if not moved:
            return {}
        self._before = now
        shares = {f"cpu{core}_percent": _percent(busy_s, total_s) for core, busy_s, total_s in moved}
        whole = _percent(sum(busy_s for _, busy_s, _ in moved), sum(total_s for _, _, total_s in moved))
        return {"cpu_percent": whole, **shares}


def _percent(busy_s: float, total_s: float) -> float:
    return round(100 * min(max(busy_s / total_s, 0.0), 1.0), 2)


def _busy_and_total() -> list[tuple[float, float]]:
    return [_busy_and_total_of(times) for times in psutil.cpu_times(percpu=True)]


def _busy_and_total_of(times: Iterable[float]) -> tuple[float, float]:
    # psutil's named tuple has other fields on each system. A guest's time is counted as its host process's already.
    total_s = sum(times) - sum(getattr(times, name, 0.0) for name in ("guest", "guest_nice"))
    idle_s = sum(getattr(times, name, 0.0) for name in ("idle", "iowait"))
    return total_s - idle_s, total_s


def _core_use() -> _Part | Missing:
    try:
        use = CoreUse(_busy_and_total)
        cores = len(_busy_and_total())
    except _FAULTS as error:
        return Missing("host.cpu_percent", f"the system does not say how busy its cores are ({error})")
    each = (Column(f"cpu{core}_percent", f"busy share of core {core}") for core in range(cores))
    return _Part((Column("cpu_percent", "busy share of all cores, 0 to 100"), *each), use)


def _frequency() -> _Part | Missing:
    seldom = Seldom(_frequency_mhz, every_s=_SLOW_S)
    try:
        seen = _frequency_mhz()
    except _FAULTS:
        seen = None
    if seen is None:
        return Missing("host.frequency", "the system does not say how fast its cores run")
    column = Column("frequency_mhz", "clock of the cores, their mean")
    return _Part((column,), lambda: _named("frequency_mhz", seldom()))


def _frequency_mhz() -> float | None:
    read = psutil.cpu_freq()
    return round(read.current, 1) if read is not None and read.current > 0 else None


def _load_average() -> _Part | Missing:
    if not hasattr(os, "getloadavg"):
        return Missing("host.load", "this system keeps no load average")
    column = Column("load_1m", "runnable tasks, averaged over the last minute")
    return _Part((column,), lambda: {"load_1m": round(os.getloadavg()[0], 2)})


def _memory() -> _Part | Missing:
    try:
        _memory_bytes()
    except _FAULTS as error:
        return Missing("host.memory", f"the system does not say how much memory is used ({error})")
    columns = (
        Column("memory_used_bytes", "memory in use"),
        Column("memory_available_bytes", "memory that a program could have without swapping"),
    )
    return _Part(columns, _memory_bytes)


def _memory_bytes() -> Reading:
    read = psutil.virtual_memory()
    return {"memory_used_bytes": read.used, "memory_available_bytes": read.available}


def _swap() -> _Part | Missing:
    try:
        with _warnings_as_faults():
            psutil.swap_memory()
    except (*_FAULTS, RuntimeWarning) as error:
        return Missing("host.swap", f"the system does not say what it swaps ({error})")
    columns = [Column("swap_used_bytes", "swap in use")]
    # psutil says 0 there because it cannot say.
    counts = not psutil.WINDOWS
    if counts:
        columns.append(Column("swap_in_bytes", "read back from swap (counter)"))
        columns.append(Column("swap_out_bytes", "written to swap (counter)"))

    def swapped() -> Reading:
        read = psutil.swap_memory()
        moved = {"swap_in_bytes": read.sin, "swap_out_bytes": read.sout} if counts else {}
        return {"swap_used_bytes": read.used, **moved}

    seldom = Seldom(swapped, every_s=_SLOW_S)
    return _Part(tuple(columns), lambda: seldom() or {})


@contextmanager
def _warnings_as_faults() -> Iterator[None]:
    """Have psutil raise where it would warn that it says 0 because it does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def _context_switches() -> _Part | Missing:
    try:
        counted = psutil.cpu_stats().ctx_switches
    except _FAULTS:
        counted = 0
    if counted <= 0:
        # No machine that runs has had none.
        return Missing("host.context_switches", "the system does not count context switches")
    column = Column("context_switches", "changes from one task to another (counter)")
    return _Part((column,), lambda: {"context_switches": psutil.cpu_stats().ctx_switches})


def _temperature() -> _Part | Missing:
    reason = "no sensor of the CPU's temperature can be read"
    if not hasattr(psutil, "sensors_temperatures"):
        return Missing("host.temperature", f"{reason} on this system")
    try:
        seen = _hottest_c()
    except _FAULTS:
        seen = None
    if seen is None:
        remedy = "load the kernel module of its sensors (coretemp or k10temp); a virtual machine has none"
        return Missing("host.temperature", reason, remedy)
    seldom = Seldom(_hottest_c, every_s=_SLOW_S)
    column = Column("temperature_c", "hottest sensor of the CPU")
    return _Part((column,), lambda: _named("temperature_c", seldom()))


def _hottest_c() -> float | None:
    chips = psutil.sensors_temperatures()
    for name in _CPU_SENSORS:
        read = [sensor.current for sensor in chips.get(name, ()) if _COLDEST_C < sensor.current < _HOTTEST_C]
        if read:
            return float(max(read))
    return None


def _named(name: str, value: float | None) -> Reading:
    return {} if value is None else {name: value}
