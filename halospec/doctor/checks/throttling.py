"""Whether heat has slowed the CPU down."""

from __future__ import annotations

from halospec.doctor.checks.temperature import NO_SENSORS
from halospec.doctor.counters import heat_throttles
from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.doctor.system_files import SystemFiles
from halospec.records.fitness import State

_SLOWING_DEVICES = ("Processor", "intel_powerclamp", "cpufreq", "cpu-idle", "thermal-cpufreq")
_REMEDY = "let it cool down, see to fans and dust, or lower the clock (cpupower frequency-set -u)"


def throttling(machine: Machine) -> Judgement:
    """Judge the counters of throttled cores, and whether the kernel is cooling the CPU by slowing it right now."""
    if _is_being_cooled(machine.files):
        return Judgement(State.BAD, "the kernel is slowing the CPU down to cool it", _REMEDY)
    times = heat_throttles(machine.files)
    if times is None:
        raise Unseen(NO_SENSORS)
    if machine.look is not None and machine.look.heat_throttles:
        return Judgement(
            State.BAD, f"slowed down for heat {machine.look.heat_throttles} times while we looked", _REMEDY
        )
    if times:
        return Judgement(
            State.WARNING, f"cores were slowed down for heat {times} times since the system started", _REMEDY
        )
    return good("never slowed down for heat since the system started")


def _is_being_cooled(files: SystemFiles) -> bool:
    return any(
        # An idle intel_powerclamp reads -1.
        files.number(f"{kind.removesuffix('type')}cur_state") > 0
        for kind in files.matching("sys/class/thermal/cooling_device*/type")
        if files.text(kind).startswith(_SLOWING_DEVICES)
    )
