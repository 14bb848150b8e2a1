"""Pressure-stall information of the Linux kernel: for how long tasks had to wait for CPU, memory or disk."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from halospec.telemetry.protocol import Column, Missing, Reading, Sampler

_SOURCE = "host"
_FILES = Path("/proc/pressure")
_WAITED_FOR = {"cpu": "a core", "memory": "memory", "io": "input or output"}
_LONGEST = 4096


class PressureSampler:
    """Reads ``total=`` of the lines ``some``: microseconds in which at least one task of the machine had to wait."""

    source = _SOURCE

    def __init__(self, directory: Path = _FILES) -> None:
        self._files = {
            f"pressure_{name}_some_us": io.FileIO(directory / name)
            for name in _WAITED_FOR
            if (directory / name).exists()
        }
        self.columns = tuple(
            Column(f"pressure_{name}_some_us", f"time in which some task waited for {what} (counter)")
            for name, what in _WAITED_FOR.items()
            if f"pressure_{name}_some_us" in self._files
        )

    def read(self) -> Reading:
        """Read all counters; one whose file cannot be read this time is left out."""
        totals: dict[str, float] = {}
        for name, file in self._files.items():
            try:
                file.seek(0)
                totals[name] = stalled_us(file.read(_LONGEST) or b"")
            except (OSError, ValueError):
                continue
        return totals

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


def open_pressure(directory: Path = _FILES) -> Sequence[Sampler | Missing]:
    """Return a sampler of what the kernel counts, or why it counts nothing."""
    if not sys.platform.startswith("linux"):
        return (Missing("host.pressure", "only Linux counts for how long tasks wait for CPU, memory and disk"),)
    try:
        sampler = PressureSampler(directory)
    except OSError as error:
        return (Missing("host.pressure", f"{directory} cannot be read ({error.strerror or error})"),)
    if sampler.columns and sampler.read():
        return (sampler,)
    sampler.close()
    return (
        Missing(
            "host.pressure",
            "this kernel does not count for how long tasks wait for CPU, memory and disk (pressure-stall information)",
            "boot it with psi=1, where it was built with CONFIG_PSI",
        ),
    )


def stalled_us(content: bytes) -> float:
    """Return ``total=`` of the line ``some`` of a file of /proc/pressure.

    Raises
    ------
    ValueError
        If there is none.
    """
    for line in content.splitlines():
        kind, *fields = line.split()
        totals = [field.removeprefix(b"total=") for field in fields if field.startswith(b"total=")]
        if kind == b"some" and totals:
            return float(totals[0])
    raise ValueError("no total of the line 'some'")
