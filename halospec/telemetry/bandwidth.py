"""What really goes to and from memory, counted by the memory controllers (Linux perf events)."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halospec.telemetry.counters import Extrapolated
from halospec.telemetry.memory_controllers import BOTH, READ, WRITTEN, MemoryEvent, memory_events, needs_newer_kernel
from halospec.telemetry.perf_events import KernelPerfEvents, PerfEvents
from halospec.telemetry.pmu import PmuError
from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.sysfs import SYSFS, number_in
from halospec.telemetry.virtual import CPUINFO, is_virtual

SOURCE = "bandwidth"
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")

_MEANINGS = {
    READ: "bytes read from memory by the whole machine since the sampler was opened",
    WRITTEN: "bytes written to memory by the whole machine since the sampler was opened",
    BOTH: "bytes read from and written to memory by the whole machine since the sampler was opened, estimated",
}
_STIRRED_BYTES = 32 * 2**20
_STIRS = 10
"""Events that share a hardware counter may have to wait for their turn, some milliseconds."""
_ALL_PROCESSES = -1


@dataclass
class _Counter:
    descriptor: int
    column: str
    bytes_a_count: float
    count: Extrapolated = field(default_factory=Extrapolated)


class BandwidthSampler:
    """Reads the memory controllers' counts.

    A column is a sum over controllers; it is left out of a reading for which one of them was not counted.

    Raises
    ------
    OSError
        If an event cannot be opened; none is left open then.
    """

    source = SOURCE

    def __init__(self, events: Sequence[MemoryEvent], kernel: PerfEvents) -> None:
        self._kernel = kernel
        self._counters: list[_Counter] = []
        try:
            for each in events:
                descriptor = kernel.open(each.event, process=_ALL_PROCESSES, cpu=each.cpu)
                self._counters.append(_Counter(descriptor, each.column, each.bytes_a_count))
        except OSError:
            self.close()
            raise
        present = {each.column for each in events}
        self.columns = tuple(Column(name, meaning) for name, meaning in _MEANINGS.items() if name in present)

    def read(self) -> Reading:
        """Read bytes."""
        sums: dict[str, float] = {}
        unread: set[str] = set()
        for counter in self._counters:
            total = self._total_of(counter)
            if total is None:
                unread.add(counter.column)
            else:
                sums[counter.column] = sums.get(counter.column, 0.0) + total * counter.bytes_a_count
        return {name: total for name, total in sums.items() if name not in unread}

    def close(self) -> None:
        """Stop counting."""
        while self._counters:
            self._kernel.close(self._counters.pop().descriptor)

    def _total_of(self, counter: _Counter) -> float | None:
        try:
            tally = self._kernel.read(counter.descriptor)
        except OSError:
            return None
        return None if tally is None else counter.count.advance(tally)


def open_bandwidth(
    _: Surroundings,
    *,
    system: str = sys.platform,
    sysfs: Path = SYSFS,
    paranoid: Path = PARANOID,
    cpuinfo: Path = CPUINFO,
    kernel: PerfEvents | None = None,
    stir: Callable[[], None] | None = None,
) -> Sequence[Sampler | Missing]:
    """Open the memory controllers' counters, if there are such and this user may.

    Parameters
    ----------
    stir
        Moves some memory, so that a counter which stands still even then is seen to be no counter: hypervisors let
        guests open events that count nothing. Copies 32 MiB by default.
    """
    if system != "linux":
        return (Missing(SOURCE, f"memory controllers are counted on Linux only, and this is {system}"),)
    devices = sysfs / "bus" / "event_source" / "devices"
    try:
        events = memory_events(devices)
        if not events:
            return (_absent(devices, cpuinfo),)
        sampler = BandwidthSampler(events, kernel or KernelPerfEvents())
    except PmuError as error:
        return (Missing(SOURCE, f"the kernel's description of the memory controllers is not understood ({error})"),)
    except OSError as error:
        return (_refusal(error, number_in(paranoid)),)
    if not _moves(sampler, stir or _copy_memory):
        sampler.close()
        return (Missing(SOURCE, "the memory controllers' counters stand still while memory is copied"),)
    return (sampler,)


def _moves(sampler: BandwidthSampler, stir: Callable[[], None]) -> bool:
    for _ in range(_STIRS):
        stir()
        if any(total > 0 for total in sampler.read().values()):
            return True
    return False


def _copy_memory() -> None:
    bytes(bytearray(_STIRRED_BYTES))


def _absent(devices: Path, cpuinfo: Path) -> Missing:
    if needs_newer_kernel(devices):
        return Missing(
            SOURCE,
            "this kernel does not count the memory controllers of this AMD processor",
            "use Linux 6.8 or newer, which has amd_umc events",
        )
    if is_virtual(cpuinfo):
        return Missing(SOURCE, "this virtual machine is not shown the memory controllers' counters")
    return Missing(SOURCE, "the kernel shows no memory controller whose events are known here")


def _refusal(error: OSError, paranoid: int | None) -> Missing:
    if error.errno == errno.EACCES:
        return Missing(
            SOURCE,
            f"counting for all processes is for root alone (kernel.perf_event_paranoid is {paranoid})",
            "allow it until the next start with: sudo sysctl kernel.perf_event_paranoid=0; "
            "or give Python the right: sudo setcap cap_perfmon=ep PATH_OF_PYTHON",
        )
    if error.errno == errno.EPERM:
        return Missing(
            SOURCE,
            "something forbids the system call perf_event_open, as containers do",
            "in a container, start it with --cap-add PERFMON",
        )
    return Missing(SOURCE, f"the memory controllers' counters fail: {os.strerror(error.errno or 0)}")
