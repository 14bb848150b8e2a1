"""Contention by a command of the user's own."""

from __future__ import annotations

from halospec.contention.loads import ProcessLoad
from halospec.contention.program import Counted, Program


def program_of_process(load: ProcessLoad) -> Program:
    """Return what carries out a process load: a guard that runs the command and ends all that came of it."""
    return Program(
        arguments=("guard", *load.command),
        workers=load.workers,
        counted=Counted.CPU_TIME,
        scale=100.0,
        at_work_above=None,
        starts_others=True,
    )
