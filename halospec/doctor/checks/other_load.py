"""What other processes take of the CPU."""

from __future__ import annotations

import os

import psutil

from halospec.analysis.printable import printable
from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.look import CpuUser, Look
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

NOISY = 0.05
"""Share of all cores from which others' work is a warning: more than a quiet desktop's."""
NOISY_CORES = 0.5
"""The same in cores: on a machine of many, half a core is still enough to keep a thread of the server waiting."""
WRONG = 0.25
"""Share of all cores from which what is measured is the other work."""
_REMEDY = "end what need not run, or wait until it is done"
_NAMED = 3
_WORTH_TELLING = 0.1
"""Cores that no process accounts for."""
_NAME_LENGTH = 20


def other_load(machine: Machine) -> Judgement:
    """Judge what others did while the machine was watched, or the load average where it was not."""
    if machine.look is not None:
        return judge_look(machine.look)
    if not hasattr(os, "getloadavg"):
        raise Unseen("the machine was not watched, and the system keeps no load average")
    return judge_load_average(os.getloadavg()[0], psutil.cpu_count() or 1)


def judge_look(look: Look) -> Judgement:
    """Judge the cores that other processes kept busy."""
    found = f"other processes use {look.others_cores:.2f} of {look.machine_cores} cores"
    named = [_named(user) for user in look.users[:_NAMED]]
    unnamed = look.others_cores - sum(user.cores for user in look.users)
    if unnamed >= _WORTH_TELLING:
        named.append(f"ended meanwhile or hidden {unnamed:.2f}")
    if named:
        found += f" ({', '.join(named)})"
    if look.others_cores >= WRONG * look.machine_cores:
        return Judgement(State.BAD, found, _REMEDY)
    if look.others_cores >= min(NOISY * look.machine_cores, NOISY_CORES):
        return Judgement(State.WARNING, found, _REMEDY)
    return good(found)


def judge_load_average(runnable: float, cores: int) -> Judgement:
    """Judge the mean number of runnable processes in the last minute, this one included."""
    found = f"{runnable:.2f} processes were runnable on {cores} cores in the last minute (mean)"
    # This process is one of them; what is over has been others'.
    return Judgement(State.WARNING, found, _REMEDY) if runnable > 1 + WRONG * cores else good(found)


def _named(user: CpuUser) -> str:
    return f"{printable(user.name, _NAME_LENGTH)} [{user.pid}] {user.cores:.2f}"
