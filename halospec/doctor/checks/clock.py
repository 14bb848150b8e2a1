"""The clock that everything is measured with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

from halospec.doctor.judgement import Judgement, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

COARSE_NS = 10_000
"""Steps from which tokens that came one after the other get the same time."""
_FOLDER = "sys/devices/system/clocksource/clocksource0/"
_SLOW = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"}
"""Sources that are outside the CPU, or tick a thousand times a second at most."""
_READINGS = 200


def clock(machine: Machine) -> Judgement:
    """Judge the kernel's clock source, where there is one to see, and the step of our own clock."""
    available = machine.files.text_if_there(f"{_FOLDER}available_clocksource") or ""
    return judge_clock(machine.files.text_if_there(f"{_FOLDER}current_clocksource"), available.split(), _step_ns())


def judge_clock(source: str | None, available: Sequence[str], step_ns: int) -> Judgement:
    """Judge a clock by its source, those there are, and the shortest time that it can tell."""
    found = f"{'' if source is None else f'{source}, '}steps of {step_ns} ns"
    if source in _SLOW:
        better = next((one for one in available if one not in _SLOW), None)
        return Judgement(
            State.BAD,
            f"{found}: slow to read, or coarse",
            f"echo {better} | sudo tee /{_FOLDER}current_clocksource"
            if better is not None
            else "journalctl -k | grep -i clocksource tells why the kernel does not trust the CPU's own clock",
        )
    if step_ns > COARSE_NS:
        return Judgement(State.WARNING, f"{found}: too coarse to tell tokens apart")
    return good(found)


def _step_ns() -> int:
    """Return the shortest time that two readings of the clock were apart."""
    readings = [time.perf_counter_ns() for _ in range(_READINGS)]
    steps = [later - earlier for earlier, later in pairwise(readings) if later > earlier]
    return min(steps) if steps else max(1, round(1e9 * time.get_clock_info("perf_counter").resolution))
