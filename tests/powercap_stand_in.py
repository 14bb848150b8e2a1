"""A tree of files that stands in for /sys/class/powercap, for machines without RAPL."""

from __future__ import annotations

from pathlib import Path

from sysfs_stand_in import write

SPAN_UJ = 262_143_328_850


class StandInPowercap:
    """Zones as the kernel lays them out: directories under /sys/devices, links to all of them under /sys/class."""

    def __init__(self, sysfs: Path) -> None:
        self.sysfs = sysfs
        self.listed = sysfs / "class" / "powercap"
        self.listed.mkdir(parents=True)

    def zone(self, zone: str, name: str, energy_uj: int, *, span_uj: int | None = SPAN_UJ) -> Path:
        """Add a zone and return the file that shows its energy."""
        control, _, numbers = zone.partition(":")
        folder = self.sysfs / "devices" / "virtual" / "powercap" / control
        so_far = control
        for number in numbers.split(":"):
            so_far = f"{so_far}:{number}"
            folder /= so_far
        write(folder / "name", name)
        write(folder / "energy_uj", energy_uj)
        if span_uj is not None:
            write(folder / "max_energy_range_uj", span_uj)
        (self.listed / zone).symlink_to(folder, target_is_directory=True)
        return self.listed / zone / "energy_uj"

    def amd_energy(self, *sockets_uj: int) -> list[Path]:
        """Add the driver amd_energy with a counter a socket, behind those of cores."""
        device = self.sysfs / "class" / "hwmon" / "hwmon3"
        write(device / "name", "amd_energy")
        write(device / "energy1_label", "Ecore000")
        write(device / "energy1_input", 1)
        for number, energy_uj in enumerate(sockets_uj):
            write(device / f"energy{number + 2}_label", f"Esocket{number}")
            write(device / f"energy{number + 2}_input", energy_uj)
        return [device / f"energy{number + 2}_input" for number in range(len(sockets_uj))]
