"""The energy that processors and their memory have used, by their own counters."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from halospec.telemetry.counters import Unwrapped
from halospec.telemetry.powercap import Domain, EnergyRegister, energy_registers, zones_are_hidden
from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.sysfs import SYSFS, OpenAttribute
from halospec.telemetry.virtual import CPUINFO, is_virtual

SOURCE = "energy"

_COVERS = {
    Domain.PACKAGE: "joules that the processor has used",
    Domain.DRAM: "joules that its memory has used",
    # AMD's register is one of many, one a core, and Linux shows that of a single core.
    Domain.CORE: "joules that its cores have used, on AMD one of them; part of the package",
    Domain.UNCORE: "joules that its integrated graphics have used; part of the package",
    Domain.PLATFORM: "joules that the whole platform has used; the package is part of it",
    Domain.OTHER: "joules, by the kernel's name for what used them",
}
_COUNTED = frozenset({Domain.PACKAGE, Domain.DRAM})
"""Together they are everything once: the platform holds them, and cores and graphics are parts of a package."""

_ELSEWHERE = {
    "darwin": "macOS shows what the processor uses to root alone, by way of powermetrics",
    "win32": "Windows has no counter of the processor's energy that a program may read",
}


class EnergySampler:
    """Reads RAPL counters; each column begins at what its register holds."""

    source = SOURCE

    def __init__(self, counters: Sequence[tuple[EnergyRegister, OpenAttribute]]) -> None:
        self.columns = tuple(
            Column(_column(register), _COVERS[register.domain], is_energy=register.domain in _COUNTED)
            for register, _ in counters
        )
        self._counters = [
            (_column(register), attribute, Unwrapped(register.span_uj)) for register, attribute in counters
        ]

    def read(self) -> Reading:
        """Read joules."""
        joules: dict[str, float] = {}
        for name, attribute, counter in self._counters:
            try:
                joules[name] = counter.advance(attribute.number()) / 1e6
            except (OSError, ValueError):
                continue
        return joules

    def close(self) -> None:
        """Close the files."""
        for _, attribute, _ in self._counters:
            attribute.close()


def open_energy(
    _: Surroundings, *, system: str = sys.platform, sysfs: Path = SYSFS, cpuinfo: Path = CPUINFO
) -> Sequence[Sampler | Missing]:
    """Open the counters that this machine has and this user may read."""
    if system != "linux":
        return (Missing(SOURCE, _ELSEWHERE.get(system, f"energy counters are not read on {system}")),)
    registers = energy_registers(sysfs)
    if not registers:
        return (_absent(sysfs, cpuinfo),)
    opened: list[tuple[EnergyRegister, OpenAttribute]] = []
    refused: list[EnergyRegister] = []
    broken: list[Missing] = []
    for register in registers:
        try:
            opened.append((register, OpenAttribute(register.path)))
        except PermissionError:
            refused.append(register)
        except OSError as error:
            broken.append(Missing(f"{SOURCE}.{register.name}", f"the counter fails: {os.strerror(error.errno or 0)}"))
    samplers = (EnergySampler(opened),) if opened else ()
    return (*samplers, *((_refusal(refused, sysfs),) if refused else ()), *broken)


def _column(register: EnergyRegister) -> str:
    return f"{register.name}_j"


def _refusal(refused: Sequence[EnergyRegister], sysfs: Path) -> Missing:
    names = ", ".join(register.name for register in refused)
    powercap = sysfs / "class" / "powercap"
    files = (
        f"{powercap}/*/energy_uj"
        if all(register.path.is_relative_to(powercap) for register in refused)
        else f"{refused[0].path.parent}/energy*_input"
    )
    return Missing(
        SOURCE,
        f"the energy counters ({names}) are for root alone, because they can give away secrets (CVE-2020-8694)",
        f"open them until the next start with: sudo chmod a+r {files}",
    )


def _absent(sysfs: Path, cpuinfo: Path) -> Missing:
    if zones_are_hidden(sysfs):
        return Missing(
            SOURCE,
            "energy counters are hidden from this container",
            "start the container with --security-opt systempaths=unconfined, or run HaloSpec outside it",
        )
    if is_virtual(cpuinfo):
        return Missing(SOURCE, "this virtual machine is not shown the processor's energy counters")
    return Missing(
        SOURCE,
        "the kernel shows no energy counters of this processor",
        "if it is an Intel or AMD processor, load their driver: sudo modprobe intel_rapl_msr",
    )
