"""What the CPU announces that it can do."""

from __future__ import annotations

from halospec.doctor.system_files import SystemFiles


def cpu_flags(files: SystemFiles) -> frozenset[str]:
    """Return the flags of the first core, as Linux calls them (``flags`` on x86, ``Features`` on ARM)."""
    for line in files.text("proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
