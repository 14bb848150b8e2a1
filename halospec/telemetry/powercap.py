"""The energy counters that Linux shows for processors: RAPL under /sys/class/powercap, and the driver ``amd_energy``.

A powercap zone is a directory such as ``intel-rapl:0`` (AMD's have the same names) with sub-zones ``intel-rapl:0:1``;
``intel-rapl-mmio`` shows registers that ``intel-rapl`` may show as well.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from halospec.telemetry.sysfs import SYSFS, number_in, shown_in

_ZONE = re.compile(r"intel-rapl(?P<mmio>-mmio)?:(?P<package>\d+)(:(?P<part>\d+))?")
_SOCKET = re.compile(r"Esocket(\d+)")


class Domain(StrEnum):
    """What a counter covers."""

    PACKAGE = "package"
    DRAM = "dram"
    CORE = "core"
    UNCORE = "uncore"
    PLATFORM = "psys"
    OTHER = "other"


@dataclass(frozen=True)
class EnergyRegister:
    """A counter of microjoules.

    Attributes
    ----------
    name
        Of the zone and, for a part, of its package: ``package-0``, ``dram-0``, ``psys``.
    path
        The file that shows it.
    span_uj
        What it holds before it wraps; ``None`` where it does not.
    """

    name: str
    domain: Domain
    path: Path
    span_uj: int | None = None


def energy_registers(sysfs: Path = SYSFS) -> tuple[EnergyRegister, ...]:
    """Return the counters that there are, readable or not, each once."""
    found = _rapl(sysfs / "class" / "powercap")
    if any(register.domain is Domain.PACKAGE for register in found):
        return found
    return (*found, *_amd_energy(sysfs / "class" / "hwmon"))


def zones_are_hidden(sysfs: Path = SYSFS) -> bool:
    """Return whether zones are listed but cannot be looked into, as container runtimes see to."""
    zones = _zones(sysfs / "class" / "powercap")
    return bool(zones) and not any(zone.exists() for zone in zones)


def package_energy_is_readable(sysfs: Path = SYSFS) -> bool:
    """Return whether the energy of whole processors can be had."""
    packages = [register for register in energy_registers(sysfs) if register.domain is Domain.PACKAGE]
    return bool(packages) and all(os.access(register.path, os.R_OK) for register in packages)


def _rapl(powercap: Path) -> tuple[EnergyRegister, ...]:
    found: dict[str, EnergyRegister] = {}
    for memory_mapped in (False, True):
        zones = [zone for zone in _zones(powercap) if ("-mmio" in zone.name) is memory_mapped]
        named = [(zone, name) for zone in zones if (name := _name_of(zone)) and (zone / "energy_uj").exists()]
        times = Counter(name for _, name in named)
        for zone, plain in named:
            name = plain if times[plain] == 1 else f"{plain}-{zone.name.partition(':')[2].replace(':', '-')}"
            span_uj = number_in(zone / "max_energy_range_uj") or None
            found.setdefault(name, EnergyRegister(name, _domain_of(name), zone / "energy_uj", span_uj))
    return tuple(found.values())


def _amd_energy(hwmon: Path) -> tuple[EnergyRegister, ...]:
    """Return the sockets' counters of the driver for AMD servers, which keeps 64 bits and so does not wrap."""
    found = []
    for device in _listed(hwmon):
        if shown_in(device / "name") != "amd_energy":
            continue
        for label in sorted(device.glob("energy*_label")):
            if socket := _SOCKET.fullmatch(shown_in(label) or ""):
                path = label.with_name(label.name.replace("_label", "_input"))
                found.append(EnergyRegister(f"package-{socket[1]}", Domain.PACKAGE, path))
    return tuple(found)


def _zones(powercap: Path) -> list[Path]:
    zones = [(match, path) for path in _listed(powercap) if (match := _ZONE.fullmatch(path.name))]
    zones.sort(key=lambda zone: (int(zone[0]["package"]), int(zone[0]["part"] or -1)))
    return [path for _, path in zones]


def _name_of(zone: Path) -> str | None:
    name = _plain(shown_in(zone / "name"))
    if name is None or zone.name.count(":") == 1:
        return name
    package = _plain(shown_in(zone.with_name(zone.name.rpartition(":")[0]) / "name")) or ""
    return f"{name}-{package.removeprefix('package-')}" if package.startswith("package-") else name


def _plain(name: str | None) -> str | None:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()) if name else None


def _domain_of(name: str) -> Domain:
    return next((domain for domain in Domain if name == domain or name.startswith(f"{domain}-")), Domain.OTHER)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
