"""How much memory the server held while it answered, by mode, phase and trial."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from halospec.analysis.readings import highest
from halospec.analysis.requests import PHASES, Flags, Floats, Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.analysis.value import Value
from halospec.records.schema import Phase

RESIDENT = "server.rss_bytes"
ON_THE_GPU = "server.vram_bytes"


class PeakMemory(Value):
    """The most that was read during the measured requests of one mode in one phase, failed ones among them.

    Attributes
    ----------
    block
        The trial's; ``None`` for all trials of the mode together.
    requests
        All of them.
    unread
        During which the server's memory was never read, since they were shorter than the time between two readings or
        the server could not be found.
    rss_bytes
        Resident memory of the server's processes, files that they have mapped among it.
    vram_bytes
        Memory of GPUs that they held. Both are ``None`` where they were never read.
    """

    mode: str
    phase: Phase
    block: int | None = None
    requests: int
    unread: int
    rss_bytes: int | None
    vram_bytes: int | None


class MemoryUse(Value):
    """The server's memory, by mode and phase, and by trial and phase."""

    modes: tuple[PeakMemory, ...]
    trials: tuple[PeakMemory, ...]


def memory_use(requests: Requests, telemetry: TelemetryData | None) -> MemoryUse | None:
    """Return the peaks of the server's memory; ``None`` where it was not read during any request."""
    if telemetry is None:
        return None
    seen = requests.measured
    resident, on_the_gpu = (
        highest(telemetry.at_ns, telemetry.column(name), seen.started_ns, seen.ended_ns)
        for name in (RESIDENT, ON_THE_GPU)
    )
    if np.isnan(resident).all() and np.isnan(on_the_gpu).all():
        return None

    def peak(mode: str, phase: Phase, here: Flags, block: int | None = None) -> PeakMemory:
        return PeakMemory(
            mode=mode,
            phase=phase,
            block=block,
            requests=int(np.count_nonzero(here)),
            unread=int(np.count_nonzero(here & np.isnan(resident) & np.isnan(on_the_gpu))),
            rss_bytes=_most(resident[here]),
            vram_bytes=_most(on_the_gpu[here]),
        )

    cells = list(_cells(seen))
    return MemoryUse(
        modes=tuple(peak(mode, phase, here) for mode, phase, here in cells),
        trials=tuple(
            peak(mode, phase, here & (seen.block == block), block)
            for mode, phase, here in cells
            for block in np.unique(seen.block[here]).tolist()
        ),
    )


def _cells(requests: Requests) -> Iterator[tuple[str, Phase, Flags]]:
    for mode in requests.modes_here:
        of_mode = requests.mode == requests.modes.index(mode)
        for number in np.unique(requests.phase[of_mode]):
            yield mode, PHASES[number], of_mode & (requests.phase == number)


def _most(values: Floats) -> int | None:
    known = values[~np.isnan(values)]
    return int(known.max()) if len(known) else None
