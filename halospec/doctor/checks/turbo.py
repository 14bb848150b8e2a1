"""Clocks above the one that the CPU can hold for ever."""

from __future__ import annotations

from halospec.doctor.checks.governor import NO_CONTROL
from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_INTEL = "sys/devices/system/cpu/intel_pstate/no_turbo"
_ANY = "sys/devices/system/cpu/cpufreq/boost"
_EACH = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/boost"


def turbo(machine: Machine) -> Judgement:
    """Judge whether the clock may rise above the one that lasts."""
    files = machine.files
    if (no_turbo := files.text_if_there(_INTEL)) is not None:
        return _judged(int(no_turbo) == 0, f"echo 1 | sudo tee /{_INTEL}")
    if (boost := files.text_if_there(_ANY)) is not None:
        return _judged(int(boost) == 1, f"echo 0 | sudo tee /{_ANY}")
    if boosts := files.texts(_EACH):
        return _judged("1" in boosts, "echo 0 | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/boost")
    raise Unseen(NO_CONTROL)


def _judged(on: bool, remedy: str) -> Judgement:
    if on:
        return Judgement(State.WARNING, "on: the clock follows heat and how many cores are busy", remedy)
    return good("off: the clock does not depend on heat or on other cores")
