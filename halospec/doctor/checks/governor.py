"""Who sets the CPU's clock, and in which mind."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_POLICY = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/"
_HARDWARE_CHOOSES = {"intel_pstate", "amd-pstate-epp"}
"""Drivers under which the governor called powersave is the usual dynamic one, and a preference steers the hardware."""
_SET_GOVERNOR = "sudo cpupower frequency-set -g performance"
_SET_PREFERENCE = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/energy_performance_preference"
NO_CONTROL = "the system shows no control of the clock, as is usual in a virtual machine"


def governor(machine: Machine) -> Judgement:
    """Judge the frequency governor of all cores, and the energy preference where the hardware chooses."""
    governors = sorted(set(machine.files.texts(f"{_POLICY}scaling_governor")))
    if not governors:
        raise Unseen(NO_CONTROL)
    drivers = set(machine.files.texts(f"{_POLICY}scaling_driver"))
    if governors == ["performance"]:
        return good("performance on every core")
    if len(governors) > 1:
        return Judgement(State.WARNING, f"differs between cores: {', '.join(governors)}", _SET_GOVERNOR)
    name = governors[0]
    if name == "powersave" and drivers and drivers <= _HARDWARE_CHOOSES:
        return _preference(machine)
    if name == "powersave":
        return Judgement(State.WARNING, "powersave: every core is kept at its lowest clock", _SET_GOVERNOR)
    if name == "userspace":
        return Judgement(State.NOTE, "userspace: the clock is what somebody has set it to")
    return Judgement(State.WARNING, f"{name}: the clock follows the load, and lags behind it", _SET_GOVERNOR)


def _preference(machine: Machine) -> Judgement:
    preferences = sorted(set(machine.files.texts(f"{_POLICY}energy_performance_preference")))
    if not preferences:
        return Judgement(State.WARNING, "powersave: the clock follows the load, and lags behind it", _SET_GOVERNOR)
    found = f"the hardware chooses the clock, told to prefer {', '.join(preferences)}"
    return good(found) if preferences == ["performance"] else Judgement(State.WARNING, found, _SET_PREFERENCE)
