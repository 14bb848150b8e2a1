"""The server that is to be measured: whether it is here, and whether it is left alone."""

from __future__ import annotations

import os
from collections.abc import Sequence

from halospec.analysis.printable import printable
from halospec.doctor.checks.other_load import NOISY_CORES
from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.look import Look
from halospec.doctor.machine import Machine
from halospec.records.fitness import State
from halospec.telemetry.protocol import Missing
from halospec.telemetry.server_finding import family_of, place_of, processes_at

_NAME_LENGTH = 20


def server(machine: Machine) -> Judgement:
    """Judge the server that was named: its process, its threads, and what it did while nothing was asked of it."""
    if machine.server_url is None:
        raise Unseen("no server was named")
    place = place_of(machine.server_url)
    if isinstance(place, Missing):
        # All other lines are about this machine, and the server's is the one that matters.
        return Judgement(State.WARNING, place.reason, "run halospec doctor there too")
    found = processes_at(place)
    if isinstance(found, Missing):
        return Judgement(State.UNKNOWN, found.reason, None if found.remedy is None else f"for a run: {found.remedy}")
    family = family_of(found)
    if not family:
        raise Unseen("its process ended while we looked")
    threads = sum(process.num_threads() for process in family)
    name = f"{printable(found[0].name(), _NAME_LENGTH)} [{found[0].pid}]"
    return judge_server(name, [one.pid for one in family], threads, machine.look)


def judge_server(name: str, pids: Sequence[int], threads: int, look: Look | None) -> Judgement:
    """Judge a server of this machine by its processes, their threads and what they did in a look."""
    found = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
    if len(pids) > 1:
        found += f" in {len(pids)} processes"
    if look is None:
        return good(f"{found} on {os.cpu_count() or 1} cores")
    cores = sum(user.cores for user in look.users if user.pid in pids)
    found += f" on {look.machine_cores} cores, {cores:.2f} of them busy"
    if cores < min(NOISY_CORES, look.machine_cores / 2):
        return good(found)
    return Judgement(
        State.WARNING, f"{found} before anything was asked of it", "wait until it has answered others, or keep them off"
    )
