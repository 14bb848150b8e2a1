"""The Linux system call that counts events in hardware and kernel, ``perf_event_open(2)``."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass
from typing import Protocol

from halospec.telemetry.counters import Tally

_CALL_NUMBERS = {
    "x86_64": 298,
    "aarch64": 241,
    "riscv64": 241,
    "loongarch64": 241,
    "ppc64le": 319,
    "s390x": 331,
}
"""By machine, of 64-bit processes; each architecture's table of system calls is its own."""

_CLOSE_ON_EXEC = 8
_TOTAL_TIME_ENABLED, _TOTAL_TIME_RUNNING = 1, 2
_ANSWER = struct.Struct("=QQQ")


@dataclass(frozen=True)
class Event:
    """What is to be counted, as the kernel numbers it.

    Attributes
    ----------
    type
        Of the performance monitoring unit.
    config
        ``config``, ``config1`` and ``config2`` of the unit's format.
    """

    type: int
    config: tuple[int, int, int]


class PerfEvents(Protocol):
    """What counts events: the kernel, or a stand-in for it."""

    def open(self, event: Event, *, process: int, cpu: int) -> int:
        """Begin to count and return a descriptor.

        Parameters
        ----------
        process
            0 for this one, -1 for all.
        cpu
            -1 for whichever the process runs on.

        Raises
        ------
        OSError
            If the event is unknown, or may not be counted.
        """
        ...

    def read(self, descriptor: int) -> Tally | None:
        """Return what was counted so far; ``None`` if the event cannot be counted any more.

        Raises
        ------
        OSError
            If the descriptor is no event's.
        """
        ...

    def close(self, descriptor: int) -> None:
        """Stop counting."""
        ...


class _Attributes(ctypes.Structure):
    """``struct perf_event_attr`` in the 72 bytes that every kernel since 2.6.33 takes.

    All its flags are 0: count at once, and user, kernel, hypervisor and idle time alike, which is the only thing that
    a memory controller can do.
    """

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup_events", ctypes.c_uint32),
        ("breakpoint_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
        ("config2", ctypes.c_uint64),
    )


class KernelPerfEvents:
    """The kernel of this machine."""

    def open(self, event: Event, *, process: int, cpu: int) -> int:
        """Begin to count."""
        number = _CALL_NUMBERS.get(platform.machine())
        if number is None or ctypes.sizeof(ctypes.c_void_p) < 8:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        attributes = _Attributes(
            type=event.type,
            size=ctypes.sizeof(_Attributes),
            config=event.config[0],
            config1=event.config[1],
            config2=event.config[2],
            read_format=_TOTAL_TIME_ENABLED | _TOTAL_TIME_RUNNING,
        )
        system_call = ctypes.CDLL(None, use_errno=True).syscall
        system_call.restype = ctypes.c_long
        descriptor = system_call(
            ctypes.c_long(number),
            ctypes.byref(attributes),
            ctypes.c_long(process),
            ctypes.c_long(cpu),
            ctypes.c_long(-1),
            ctypes.c_ulong(_CLOSE_ON_EXEC),
        )
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return int(descriptor)

    def read(self, descriptor: int) -> Tally | None:
        """Return what was counted so far."""
        answer = os.read(descriptor, _ANSWER.size)
        # The kernel answers with nothing where the event's CPU or unit is gone.
        return Tally(*_ANSWER.unpack(answer)) if len(answer) == _ANSWER.size else None

    def close(self, descriptor: int) -> None:
        """Stop counting."""
        os.close(descriptor)
