"""Time that work spent waiting for CPU, memory or disk (pressure stall information)."""

from __future__ import annotations

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

LIMITS_PERCENT = {"cpu": 10.0, "memory": 1.0, "io": 10.0}
"""Percent of the last 10 s in which something waited, above which it is a warning; memory is rarely waited for."""


def pressure(machine: Machine) -> Judgement:
    """Judge how much of the last 10 s some task was waiting, for each of the three."""
    waits = {}
    for what in LIMITS_PERCENT:
        text = machine.files.text_if_there(f"proc/pressure/{what}")
        if text is not None:
            waits[what] = _some_avg10(text)
    if not waits:
        raise Unseen("the kernel keeps no account of it (CONFIG_PSI, or psi=1 on its command line)")
    found = "something waited in the last 10 s for " + ", ".join(f"{what} {waits[what]:.1f} %" for what in waits)
    if any(percent > LIMITS_PERCENT[what] for what, percent in waits.items()):
        return Judgement(State.WARNING, found, "wait until it falls, or end what competes; halospec's own start counts")
    return good(found)


def _some_avg10(text: str) -> float:
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["some"]:
            return float(dict(word.partition("=")[::2] for word in words[1:])["avg10"])
    raise ValueError("the account of waiting has no line 'some'")
