"""What telemetry could read here: the memory controllers' counters, and those of energy."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.doctor.judgement import Judgement, good, together
from halospec.doctor.machine import Machine
from halospec.records.fitness import State
from halospec.telemetry.bandwidth import open_bandwidth
from halospec.telemetry.energy import open_energy
from halospec.telemetry.protocol import Missing, Sampler, Surroundings

_NAMED = 6


def bandwidth(machine: Machine) -> Judgement:
    """Judge whether bytes to and from memory can be counted (perf events, and the right to them)."""
    root = machine.files.root
    return judge_opened(
        open_bandwidth(
            Surroundings(),
            system="linux",
            sysfs=root / "sys",
            paranoid=root / "proc/sys/kernel/perf_event_paranoid",
            cpuinfo=root / "proc/cpuinfo",
        )
    )


def energy(machine: Machine) -> Judgement:
    """Judge whether the CPU's joules can be read (RAPL, and the right to it)."""
    root = machine.files.root
    return judge_opened(open_energy(Surroundings(), system="linux", sysfs=root / "sys", cpuinfo=root / "proc/cpuinfo"))


def judge_opened(opened: Sequence[Sampler | Missing]) -> Judgement:
    """Judge what an opener of telemetry came to, and close it again.

    What could be had with more rights is a warning; what this machine does not have is a note.
    """
    parts = []
    for one in opened:
        if isinstance(one, Missing):
            parts.append(Judgement(State.NOTE if one.remedy is None else State.WARNING, one.reason, one.remedy))
            continue
        names = [column.name for column in one.columns]
        one.close()
        parts.append(good(f"can be read: {', '.join(names[:_NAMED])}{', …' if names[_NAMED:] else ''}"))
    return together(parts)
