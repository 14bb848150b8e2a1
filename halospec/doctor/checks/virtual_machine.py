"""Whether the CPU is lent by a host, and what the host takes of it."""

from __future__ import annotations

from halospec.doctor.cpu_flags import cpu_flags
from halospec.doctor.judgement import Judgement, good
from halospec.doctor.machine import Machine
from halospec.doctor.system_files import SystemFiles
from halospec.records.fitness import State

STOLEN = 0.01
"""Share of all cores from which the time that a host takes is a warning."""


def virtual_machine(machine: Machine) -> Judgement:
    """Note that this is a virtual machine, and judge the time that its host took while it was watched."""
    if not is_virtual(machine.files):
        return good("none is announced: the cores seem to be the machine's own")
    found = "yes: what else its host runs is not seen here"
    look = machine.look
    if look is None or look.stolen_cores is None:
        return Judgement(State.NOTE, found)
    share = look.stolen_cores / look.machine_cores
    found += f"; it took {100 * share:.1f} % of the CPU's time"
    if share >= STOLEN:
        return Judgement(State.WARNING, found, "measure in more blocks, at a quieter hour, or on a dedicated host")
    return Judgement(State.NOTE, found)


def is_virtual(files: SystemFiles) -> bool:
    """Return whether a hypervisor announces itself."""
    return (
        "hypervisor" in cpu_flags(files)
        or files.text_if_there("sys/hypervisor/type") is not None
        or bool(files.matching("proc/device-tree/hypervisor"))
    )
