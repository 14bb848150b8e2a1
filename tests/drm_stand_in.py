"""A tree of files that stands in for what the driver amdgpu shows of a card."""

from __future__ import annotations

from pathlib import Path

from sysfs_stand_in import write


class StandInCard:
    """A card; ``apu`` is one that shares its package with a CPU."""

    def __init__(self, sysfs: Path, number: int = 0, *, apu: bool = False, vendor: str = "0x1002") -> None:
        self.device = sysfs / "class" / "drm" / f"card{number}" / "device"
        self.sensors = self.device / "hwmon" / f"hwmon{number + 4}"
        write(self.device / "vendor", vendor)
        write(self.sensors / "name", "amdgpu")
        (self.device / "gpu_metrics").write_bytes(bytes([0x78, 0, 2 if apu else 1, 3]) + bytes(116))

    def show(self, **files: object) -> StandInCard:
        """Write attributes by file name: sensors beside the driver's hwmon, the others beside the device."""
        for name, content in files.items():
            sensor = name.startswith(("power", "energy", "temp", "freq", "in1_"))
            write((self.sensors if sensor else self.device) / name, content)
        return self

    def show_all(self) -> StandInCard:
        return self.show(
            power1_average=187_000_000,
            gpu_busy_percent=97,
            mem_info_vram_used=12_345_678,
            mem_info_gtt_used=2_000_000,
            temp1_input=64_000,
            freq1_input=2_100_000_000,
        )
