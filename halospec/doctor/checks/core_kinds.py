"""Cores of different speed in one CPU."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_SAME_WITHIN = 0.1
"""Preferred cores of one kind differ by some percent in their highest clock; kinds of cores differ by more."""


def core_kinds(machine: Machine) -> Judgement:
    """Judge whether it matters on which core a thread lands."""
    files = machine.files
    fast, slow = (files.text_if_there(f"sys/devices/cpu_{kind}/cpus") for kind in ("core", "atom"))
    if fast and slow:
        return Judgement(
            State.WARNING,
            f"cores {fast} are fast and {slow} slow: a thread's time depends on where it lands",
            f"start the server on one kind: taskset -c {fast} llama-server …",
        )
    speeds = files.texts("sys/devices/system/cpu/cpu[0-9]*/cpu_capacity")
    speeds = speeds or files.texts("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq")
    numbers = sorted(map(int, speeds))
    if not numbers:
        raise Unseen("the system does not tell how fast each core is")
    if numbers[0] >= (1 - _SAME_WITHIN) * numbers[-1]:
        return good("all of one speed")
    share = numbers[0] / numbers[-1]
    return Judgement(
        State.WARNING,
        f"the slowest is rated at {100 * share:.0f} % of the fastest: a thread's time depends on where it lands",
        "start the server on cores of one kind with taskset -c; lscpu --extended lists them",
    )
