"""The server's processes: CPU, memory, threads, and memory of the GPU, summed over it and all its descendants.

A reading costs about 40 microseconds a process. Who the descendants are is looked up every few seconds, how many
threads they have and what they hold of the GPU once a second; all of it less often where it is dear. Pages that several
of the processes share, such as a mapped model file, count in each one's resident memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psutil

from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.seldom import Seldom
from halospec.telemetry.server_finding import (
    NAME_IT,
    SOURCE,
    Place,
    family_of,
    our_children,
    place_of,
    processes_at,
)
from halospec.telemetry.server_vram import ServerVram, open_vram

RELISTED_EVERY_S = 2.0
_SLOW_S = 1.0
_SOUGHT_SHARE = 0.005
"""Of a core, that looking for a server which is gone may take."""

Roots = Sequence[psutil.Process]


class ServerSampler:
    """Reads the processes of a server as long as it lives, and of the one that comes after it.

    Parameters
    ----------
    roots
        The server's processes without their descendants.
    seek
        Looks for the server again when it is gone.
    """

    source = SOURCE

    def __init__(
        self,
        roots: Roots,
        seek: Callable[[], Roots],
        vram: ServerVram | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = tuple(roots)
        self._family: tuple[psutil.Process, ...] = ()
        self._cpu_s: dict[int, float] = {}
        self._read_s: float | None = None
        self._vram = vram
        self._now = now
        self._relist = Seldom(lambda: family_of(self._roots), every_s=RELISTED_EVERY_S, now=now)
        self._seek = Seldom(seek, every_s=_SLOW_S, share=_SOUGHT_SHARE, now=now)
        self._count_threads = Seldom(self._threads, every_s=_SLOW_S, now=now)
        self._ask_vram = Seldom(self._vram_bytes, every_s=_SLOW_S, now=now)
        vram_columns = (Column("vram_bytes", "memory of NVIDIA GPUs that the server's processes hold"),) if vram else ()
        self.columns = (
            Column("cpu_percent", "CPU time of the server's processes, in percent of one core"),
            Column("rss_bytes", "resident memory of the server's processes"),
            Column("threads", "threads of the server's processes"),
            Column("processes", "the server's processes"),
            *vram_columns,
        )

    def read(self) -> Reading:
        """Read all processes; nothing while there are none."""
        self._follow()
        began_s = self._now()
        cpu_s: dict[int, float] = {}
        rss_bytes = 0
        for process in self._family:
            read = _used_by(process)
            if read is not None:
                cpu_s[process.pid], rss = read
                rss_bytes += rss
        lasted_s = None if self._read_s is None else began_s - self._read_s
        before_s, self._cpu_s, self._read_s = self._cpu_s, cpu_s, began_s
        if not cpu_s:
            self._family = ()
            return {}
        values: dict[str, float] = {"rss_bytes": rss_bytes, "processes": len(cpu_s)}
        known = cpu_s.keys() & before_s.keys()
        if known and lasted_s:
            grown_s = sum(max(0.0, cpu_s[pid] - before_s[pid]) for pid in known)
            values["cpu_percent"] = round(100 * grown_s / lasted_s, 2)
        seldom = {"threads": self._count_threads(), "vram_bytes": self._ask_vram()}
        return values | {name: counted for name, counted in seldom.items() if counted is not None}

    def close(self) -> None:
        """Let the GPU's driver go."""
        if self._vram is not None:
            self._vram.close()

    def _follow(self) -> None:
        """Bring the list of processes up to date, where it is time to."""
        listed = self._relist()
        if listed is not None:
            self._family = listed
        if not self._family:
            sought = self._seek()
            if sought:
                self._roots = tuple(sought)
                self._family = family_of(self._roots)

    def _threads(self) -> float | None:
        counted = 0
        for process in self._family:
            try:
                counted += process.num_threads()
            except psutil.Error:
                continue
        return counted or None

    def _vram_bytes(self) -> float | None:
        return None if self._vram is None else self._vram.bytes_of({process.pid for process in self._family})


def open_server(surroundings: Surroundings) -> Sequence[Sampler | Missing]:
    """Find the server's processes: the one that was named, or those that listen where it is reached."""
    if surroundings.server_pid is not None:
        return (_sampler_of_named(surroundings.server_pid),)
    if surroundings.server_url is None:
        return (Missing(SOURCE, "there is no server whose processes could be read", NAME_IT),)
    place = place_of(surroundings.server_url)
    if isinstance(place, Missing):
        return (place,)
    found = processes_at(place)
    return (found if isinstance(found, Missing) else _sampler_of(found, _seeker(place, found)),)


def _sampler_of_named(pid: int) -> Sampler | Missing:
    try:
        named = psutil.Process(pid)
    except psutil.Error:
        return Missing(SOURCE, f"there is no process {pid}", NAME_IT)
    return _sampler_of((named,), lambda: ())


def _sampler_of(roots: Roots, seek: Callable[[], Roots]) -> Sampler | Missing:
    if not any(_used_by(process) for process in roots):
        pids = ", ".join(str(process.pid) for process in roots)
        return Missing(SOURCE, f"this user may not read what process {pids} uses", "measure as the user who runs it")
    return ServerSampler(roots, seek, open_vram())


def _seeker(place: Place, found: Roots) -> Callable[[], Roots]:
    """Return what looks for a server that was started anew; one of ours comes back as one of ours."""
    is_ours = {process.pid for process in found} <= {process.pid for process in our_children()}

    def seek() -> Roots:
        again = processes_at(place, among=our_children() if is_ours else None)
        return () if isinstance(again, Missing) else again

    return seek


def _used_by(process: psutil.Process) -> tuple[float, int] | None:
    """Return CPU seconds and resident bytes of a process; None if it has ended or may not be read."""
    try:
        times, rss = process.cpu_times(), process.memory_info().rss
    except (psutil.Error, OSError):
        return None
    # One that has ended and was not waited for yet has no memory.
    return (times.user + times.system, rss) if rss else None
