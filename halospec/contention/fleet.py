"""The burner processes of one load window: started together, read together, ended together."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from halospec.contention.protocol import ContentionError

BURNER_PROGRAM = Path(__file__).with_name("burner.py")
END_GRACE_S = 1.0
"""How long burners may take to end by themselves before they are killed."""


class BurnerFleet:
    """A number of burner processes with the same share. All methods block.

    A burner's input pipe is its lifeline: no one ever writes to it, and its closing, by ``end`` or by the death of
    this process, ends the burner.
    """

    def __init__(self, workers: int, percent: float) -> None:
        self._workers = workers
        self._percent = percent
        self._processes: list[subprocess.Popen[bytes]] = []
        self._burning: list[psutil.Process] = []
        self._cpu_s: dict[int, float] = {}

    def spawn(self) -> None:
        """Start every burner, without waiting for it to burn."""
        command = [sys.executable, "-I", "-S", str(BURNER_PROGRAM), "--percent", repr(self._percent)]
        for _ in range(self._workers):
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise ContentionError(
                    f"A load burner could not be started with {sys.executable} ({error}); ask for fewer load workers."
                ) from error
            self._processes.append(process)

    def wait_until_burning(self) -> None:
        """Return when every burner has said that it burns; a burner that ends before is a ``ContentionError``."""
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
            greeting = process.stdout.readline()
            if not greeting.strip().isdigit():
                said = (greeting + process.stdout.read()).decode(errors="replace").strip().splitlines()
                raise ContentionError(
                    f"A load burner ended before it began to burn ({said[-1] if said else 'it said nothing'}); check"
                    f" that {sys.executable} can run {BURNER_PROGRAM}."
                )
            # The burner's own word for its process id: some interpreters are launchers of another process.
            with suppress(psutil.NoSuchProcess):
                self._burning.append(psutil.Process(int(greeting)))

    def cpu_ns(self) -> int:
        """Return the CPU time that all burners together have used since they were started."""
        for process in self._burning:
            # One that was ended from outside keeps its last reading: its absence then shows in the achieved share.
            # AccessDenied is what macOS says of a process that has ended and was not waited for yet.
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                self._cpu_s[process.pid] = times.user + times.system
        return round(sum(self._cpu_s.values()) * 1e9)

    def end(self) -> None:
        """End every burner, by force if it must be, and return when none is left, not even as a zombie."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - Popen was given a pipe
            process.stdin.close()
        deadline_s = time.monotonic() + END_GRACE_S
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
            process.stdout.close()
