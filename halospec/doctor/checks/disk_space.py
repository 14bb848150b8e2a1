"""Room for a run's files."""

from __future__ import annotations

import shutil
from pathlib import Path

from halospec.doctor.judgement import Judgement, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

SCARCE_BYTES = 2**30
FULL_BYTES = 100 * 2**20
"""A long run's journals and charts are some tens of megabytes."""


def disk_space(machine: Machine) -> Judgement:
    """Judge how much room is left where runs go."""
    folder = machine.runs.absolute()
    while not folder.exists():
        folder = folder.parent
    return judge_space(shutil.disk_usage(folder).free, machine.runs)


def judge_space(free_bytes: int, runs: Path) -> Judgement:
    """Judge the bytes that are free where the folder of runs is, or will be."""
    found = f"{free_bytes / 2**30:.1f} GiB free for {runs}"
    if free_bytes >= SCARCE_BYTES:
        return good(found)
    state = State.BAD if free_bytes < FULL_BYTES else State.WARNING
    return Judgement(state, found, "make room, or put runs elsewhere with --out")
