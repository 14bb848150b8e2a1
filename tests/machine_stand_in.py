"""A stand-in for the files in which Linux describes a machine: a tree of /proc and /sys, to be aimed at as a root.

What no machine at hand has (a governor, sensors, a hypervisor that steals, a container's quota) stands here as the
kernel's documentation describes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from halospec.doctor.look import Look
from halospec.doctor.machine import Machine
from halospec.doctor.system_files import SystemFiles

CPU = "sys/devices/system/cpu"


@dataclass(frozen=True)
class GuardedFiles(SystemFiles):
    """Files of which some are not for us to read, whoever runs the tests."""

    forbidden: frozenset[str] = field(default_factory=frozenset)

    def _read(self, path: Path) -> str:
        if str(path.relative_to(self.root)) in self.forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return super()._read(path)


@dataclass
class MachineStandIn:
    """A tree that grows by what a test writes into it; empty, it is a system that tells nothing."""

    root: Path
    forbidden: set[str] = field(default_factory=set)

    def put(self, path: str, text: object) -> MachineStandIn:
        """Write a file, path without the leading slash."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{text}\n")
        return self

    def forbid(self, path: str, text: object = "") -> MachineStandIn:
        """Write a file that cannot be read."""
        self.forbidden.add(path)
        return self.put(path, text)

    def cores(self, *policies: dict[str, object]) -> MachineStandIn:
        """Give each core its files under ``cpufreq``."""
        for core, policy in enumerate(policies):
            for name, text in policy.items():
                self.put(f"{CPU}/cpu{core}/cpufreq/{name}", text)
        return self

    def flags(self, *flags: str) -> MachineStandIn:
        """Give the CPU what it announces."""
        return self.put("proc/cpuinfo", f"processor\t: 0\nflags\t\t: {' '.join(flags)}\n")

    def machine(self, look: Look | None = None) -> Machine:
        """Return the machine as checks see it."""
        return Machine(GuardedFiles(self.root, frozenset(self.forbidden)), look, self.root / "runs")


def made_look(**fields: object) -> Look:
    """Return a look at two quiet cores; each test names only what it is about."""
    return Look(**({"seconds": 0.5, "machine_cores": 2, "others_cores": 0.0} | fields))  # type: ignore[arg-type]
