"""All that is looked at, in order, and the one pass over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from halospec.analysis.printable import printable
from halospec.doctor.checks.affinity import affinity
from halospec.doctor.checks.clock import clock
from halospec.doctor.checks.container import container
from halospec.doctor.checks.core_kinds import core_kinds
from halospec.doctor.checks.disk_space import disk_space
from halospec.doctor.checks.governor import governor
from halospec.doctor.checks.gpu import gpu
from halospec.doctor.checks.hardware_threads import hardware_threads
from halospec.doctor.checks.huge_pages import huge_pages
from halospec.doctor.checks.measurable import bandwidth, energy
from halospec.doctor.checks.memory import memory
from halospec.doctor.checks.numa import numa
from halospec.doctor.checks.other_load import other_load
from halospec.doctor.checks.power_source import power_source
from halospec.doctor.checks.pressure import pressure
from halospec.doctor.checks.server import server
from halospec.doctor.checks.temperature import temperature
from halospec.doctor.checks.throttling import throttling
from halospec.doctor.checks.tile_instructions import tile_instructions
from halospec.doctor.checks.turbo import turbo
from halospec.doctor.checks.virtual_machine import virtual_machine
from halospec.doctor.judgement import Judgement, Unseen
from halospec.doctor.look import Look, look
from halospec.doctor.machine import Machine
from halospec.doctor.system_files import SystemFiles
from halospec.records.fitness import Finding, State

LOOK_S = 0.5
"""Seconds for which the machine is watched for a person."""
QUICK_LOOK_S = 0.2
"""The same for a manifest, for which nobody wants to wait."""
_LONGEST = 400


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes
    ----------
    judge
        Raises `Unseen`, or what reading raises, where it cannot be judged.
    by_files
        Whether it is told by Linux's system files alone, and so not elsewhere.
    """

    name: str
    judge: Callable[[Machine], Judgement]
    by_files: bool = True


CHECKS = (
    Check("other load", other_load, by_files=False),
    Check("pressure", pressure),
    Check("memory", memory, by_files=False),
    Check("container", container),
    Check("affinity", affinity),
    Check("virtual machine", virtual_machine),
    Check("governor", governor),
    Check("turbo", turbo),
    Check("throttling", throttling),
    Check("temperature", temperature, by_files=False),
    Check("power source", power_source, by_files=False),
    Check("clock", clock, by_files=False),
    Check("core kinds", core_kinds),
    Check("hardware threads", hardware_threads),
    Check("memory nodes", numa),
    Check("huge pages", huge_pages),
    Check("tile instructions", tile_instructions),
    Check("bandwidth", bandwidth),
    Check("energy", energy),
    Check("GPU", gpu, by_files=False),
    Check("disk space", disk_space, by_files=False),
)
SERVER_CHECK = Check("server", server, by_files=False)
"""Only where a server was named."""


def examine(
    root: Path = Path("/"), *, look_s: float = LOOK_S, runs: Path = Path("runs"), server_url: str | None = None
) -> tuple[Finding, ...]:
    """Look at this machine, and say of each thing how it bears on measurements.

    Blocks for ``look_s`` and some hundredths of a second. A check that fails is a finding ``unknown`` with the reason.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.
    look_s
        Seconds for which the machine is watched; 0: not at all, so that only its load average tells of other load.
    runs
        The folder that runs go to; it need not exist.
    server_url
        A server whose process is to be looked at too, if it is on this machine; nothing is sent to it.
    """
    files = SystemFiles(root)
    machine = Machine(files, _watched(files, look_s), runs, server_url)
    checks = CHECKS if server_url is None else (*CHECKS, SERVER_CHECK)
    return tuple(_finding(check, machine) for check in checks)


def _watched(files: SystemFiles, look_s: float) -> Look | None:
    if look_s <= 0:
        return None
    try:
        return look(files, look_s)
    except (OSError, ValueError, psutil.Error):
        # Checks go on without it, and say what they can.
        return None


def _finding(check: Check, machine: Machine) -> Finding:
    if check.by_files and not machine.files.are_there:
        return _unknown(check, "only Linux shows this to a program")
    try:
        judgement = check.judge(machine)
    except Unseen as unseen:
        return _unknown(check, str(unseen))
    except OSError as error:
        return _unknown(check, f"{error.filename or 'a system call'}: {error.strerror or error}")
    except psutil.Error as error:
        return _unknown(check, f"the system does not tell: {error}")
    except (ValueError, LookupError) as error:
        return _unknown(check, f"what the system says makes no sense: {error}")
    return Finding(
        name=check.name,
        state=judgement.state,
        found=printable(judgement.found, _LONGEST),
        remedy=None if judgement.remedy is None else printable(judgement.remedy),
    )


def _unknown(check: Check, reason: str) -> Finding:
    return Finding(name=check.name, state=State.UNKNOWN, found=printable(reason, _LONGEST))
