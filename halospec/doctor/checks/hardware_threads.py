"""Two hardware threads on one core."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_ACTIVE = "sys/devices/system/cpu/smt/active"


def hardware_threads(machine: Machine) -> Judgement:
    """Note whether logical cores share a core's units (SMT, hyper-threading)."""
    active = machine.files.text_if_there(_ACTIVE)
    if active is None:
        raise Unseen("the system does not say whether logical cores share a core")
    if int(active):
        return Judgement(State.NOTE, "on: a load's worker may share a core's units with the server's thread")
    return good("off: every logical core is a core")
