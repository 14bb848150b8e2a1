"""Whether this machine is a virtual one, which is shown few of the hardware's counters."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def is_virtual(cpuinfo: Path = CPUINFO) -> bool:
    """Return whether the processor says that a hypervisor runs it, which x86 processors do."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return "hypervisor" in flags
