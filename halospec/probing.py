"""Probing a server for a person: found, asked, judged, with progress."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import anyio
from rich.console import Console

from halospec.clock import start_clock
from halospec.config import TargetSettings
from halospec.knobs.types import KnobError
from halospec.probe.observer import ProbeObserver
from halospec.probe.settings import ProbeSettings
from halospec.progress import ProbeProgress
from halospec.records.probe import ProbeReport
from halospec.target import open_target, probe_target


def probe_server(settings: TargetSettings, asked: ProbeSettings, console: Console) -> ProbeReport:
    """Find out whether a draft length has any effect on a server.

    Raises
    ------
    PreflightError, KnobError
        If there is no server that could be probed.
    ProbeError
        If it does not complete requests, or no longer does.
    """
    directory = Path(tempfile.mkdtemp(prefix="halospec-"))
    log = directory / "server.log"
    told: list[str] = []
    try:
        with ProbeProgress(console) as progress:
            report = anyio.run(_probe, settings, asked, log, progress)
    except KnobError as problem:
        told = [str(problem)]
        raise
    else:
        told = [knob.reason for knob in report.knobs]
        return report
    finally:
        # The log of a server that failed must be there to be read where a sentence names it.
        if not any(str(log) in sentence for sentence in told):
            shutil.rmtree(directory, ignore_errors=True)


async def _probe(settings: TargetSettings, asked: ProbeSettings, log: Path, observer: ProbeObserver) -> ProbeReport:
    async with open_target(settings, start_clock(), log, first_length=asked.lengths[-1]) as target:
        return await probe_target(target, asked, observer)
