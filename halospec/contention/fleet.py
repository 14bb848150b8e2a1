"""The worker processes of one load: started together, told together what to do, read together, ended together."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import IO

import psutil

from halospec.analysis.printable import printable
from halospec.contention.counts import Counts, CpuTimes, OwnCounts
from halospec.contention.program import Counted, Program
from halospec.contention.protocol import ContentionError

PROGRAMS = Path(__file__).with_name("programs")
END_GRACE_S = 1.0
"""How long workers may take to end by themselves before they are killed."""
_LONGEST_SAID = 300


class Fleet:
    """The workers of one program. All methods block.

    A worker's input pipe is its lifeline (`halospec.contention.programs.lifeline`): levels go to it, and its closing,
    by ``end`` or by the death of this process, ends the worker and all that it started.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._level = 1.0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._counts: Counts = CpuTimes(program.starts_others) if program.counted is Counted.CPU_TIME else OwnCounts()
        self._ready = False
        self._ended_early: str | None = None
        self._becoming_ready = threading.Lock()

    def spawn(self) -> None:
        """Start every worker, without waiting until it works.

        Raises
        ------
        ContentionError
            If one cannot be started.
        """
        command = [sys.executable, "-I", "-S", str(PROGRAMS), *self._program.arguments]
        for _ in range(self._program.workers):
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise ContentionError(
                    f"A load worker could not be started with {sys.executable} ({error}); ask for fewer load workers."
                ) from error
            self._processes.append(process)
            if hasattr(os, "set_blocking"):
                # A worker that was stopped from outside reads no levels; nobody shall wait for it.
                os.set_blocking(_pipe(process.stdin).fileno(), False)

    def wait_until_ready(self) -> None:
        """Return when every worker is ready and was told its level.

        Raises
        ------
        ContentionError
            If one ends before, or may not run on its cores or at its niceness.
        """
        with self._becoming_ready:
            for process, core in zip(self._processes, cycle(self._program.cores or (None,)), strict=False):
                self._greet(process, core)
            self._ready = True
            self._tell()

    def _greet(self, process: subprocess.Popen[bytes], core: int | None) -> None:
        output = _pipe(process.stdout)
        greeting = output.readline()
        if not greeting.strip().isdigit():
            said = (greeting + output.read()).decode(errors="replace").strip().splitlines()
            raise ContentionError(
                f"A load worker ({self._program.arguments[0]}) ended before it began, "
                f"saying: {printable(said[-1], _LONGEST_SAID).rstrip('.')}; see to that or leave this load off."
                if said
                else f"A load worker ({self._program.arguments[0]}) ended before it began and said nothing; "
                f"check that {sys.executable} can run {PROGRAMS}."
            )
        with suppress(psutil.NoSuchProcess):
            # The worker's own word for its process id: some interpreters are launchers of another process.
            worker = psutil.Process(int(greeting))
            _pin(worker, core)
            _make_nice(worker, self._program.niceness)
            self._counts.add(worker, output)

    def set_level(self, level: float) -> None:
        """Have the workers do a share of their full amount, 0 to 1, from now on; 1 if it is never called."""
        if level != self._level:
            self._level = level
            if self._ready:
                self._tell()

    def count(self) -> int:
        """Return what all workers together have done since they were started; it never falls."""
        return self._counts.count()

    def is_alive(self) -> bool:
        """Tell whether any worker is there."""
        return any(process.poll() is None for process in self._processes)

    def end(self) -> None:
        """End every worker, by force if it must be, and return when none is left, not even as a zombie."""
        gone = sum(process.poll() is not None for process in self._processes) if self._ready else 0
        for process in self._processes:
            # What was not written in time is of no interest any more.
            with suppress(OSError):
                _pipe(process.stdin).close()
        deadline_s = time.monotonic() + END_GRACE_S
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill_tree(process)
        # Whoever still waits for a worker to be ready has seen it end now.
        with self._becoming_ready:
            self._counts.close()
            if gone:
                self._ended_early = self._early_end(gone)
            for process in self._processes:
                _pipe(process.stdout).close()

    @property
    def ended_early(self) -> str | None:
        """How many workers had ended by themselves when they were to be ended, and what one said; ``None`` if none."""
        return self._ended_early

    def _early_end(self, gone: int) -> str:
        said = self._counts.last_words
        why = f": {printable(said, _LONGEST_SAID).rstrip('.')}" if said else ""
        workers = f"{gone} of {len(self._processes)} workers" if len(self._processes) > 1 else "it"
        return f"{workers} ended before the load was to end{why}"

    def _tell(self) -> None:
        line = f"{self._level!r}\n".encode()
        for process in self._processes:
            # One that has ended, or that was stopped and reads no more: its absence shows in what was achieved.
            with suppress(BrokenPipeError, BlockingIOError):
                os.write(_pipe(process.stdin).fileno(), line)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - Popen was given a pipe
    return pipe


def _pin(worker: psutil.Process, core: int | None) -> None:
    if core is None:
        return
    if not hasattr(worker, "cpu_affinity"):
        raise ContentionError("This system lets no process be pinned to a core; leave cores= off.")
    try:
        worker.cpu_affinity([core])
    except (psutil.AccessDenied, OSError, ValueError) as error:
        raise ContentionError(
            f"A load worker could not be pinned to core {core}; name cores that this process may use, or none."
        ) from error


def _make_nice(worker: psutil.Process, niceness: int) -> None:
    if not niceness:
        return
    if sys.platform == "win32":
        raise ContentionError("Windows knows no niceness; leave niceness= off.")
    try:
        worker.nice(niceness)
    except (psutil.AccessDenied, OSError) as error:
        raise ContentionError(
            f"A load worker could not be given niceness {niceness}; values below the present one need"
            " administrator rights (CAP_SYS_NICE), so ask for 0 or more."
        ) from error


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    started = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for other in started:
        with suppress(psutil.NoSuchProcess):
            other.kill()
