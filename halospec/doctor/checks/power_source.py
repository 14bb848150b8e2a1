"""Mains or battery, and the firmware's power profile."""

from __future__ import annotations

import psutil

from halospec.doctor.judgement import Judgement, good, together
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_PROFILE = "sys/firmware/acpi/platform_profile"
_SET_PROFILE = f"powerprofilesctl set performance (or: echo performance | sudo tee /{_PROFILE})"


def power_source(machine: Machine) -> Judgement:
    """Judge what the machine runs on, and how much power its firmware allows it."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    on_mains = judge_battery(None if battery is None else battery.power_plugged, has_battery=battery is not None)
    profile = machine.files.text_if_there(_PROFILE)
    return on_mains if profile is None else together([on_mains, judge_profile(profile)])


def judge_battery(plugged_in: bool | None, *, has_battery: bool) -> Judgement:
    """Judge what the machine runs on; ``None`` where the battery does not know whether it is charged."""
    if not has_battery:
        return good("no battery is seen")
    if plugged_in is None:
        return Judgement(State.UNKNOWN, "a battery that does not tell whether it is being charged")
    return good("mains") if plugged_in else Judgement(State.WARNING, "battery", "plug the machine in")


def judge_profile(profile: str) -> Judgement:
    """Judge the firmware's profile, such as ``balanced``."""
    found = f"profile {profile}"
    if profile == "performance":
        return good(found)
    if profile.startswith("balanced"):
        return Judgement(State.NOTE, found)
    return Judgement(State.WARNING, found, _SET_PROFILE)
