"""The systems as child processes: started, watched, and ended."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from engine_peers.records import Memory

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0


class StartFault(Exception):
    """A system that does not start; the message is one sentence."""


@dataclass(frozen=True)
class Child:
    """A running child process."""

    process: subprocess.Popen[str]
    name: str
    log: Path

    @classmethod
    def start(cls, name: str, command: Sequence[str], log: Path, *, talks: bool = False) -> Child:
        """Start a process, its messages into a log; one that ``talks`` is spoken to through its standard streams.

        Raises
        ------
        StartFault
            If the program cannot be run.
        """
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        with log.open("w", encoding="utf-8") as messages:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=pipe,
                    stdout=subprocess.PIPE if talks else messages,
                    stderr=messages,
                    text=True,
                    # Ctrl-C is for the benchmark, which then ends what it started in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise StartFault(f"{name} cannot be started: {error}.") from error
        return cls(process, name, log)

    def require_running(self) -> None:
        """Raise `StartFault` if the process has ended."""
        if self.process.poll() is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise StartFault(f"{self.name} ended with status {self.process.returncode}: {last} (log: {self.log})")

    def wait_until_healthy(self, url: str) -> None:
        """Wait until a server answers.

        Raises
        ------
        StartFault
            If it ends before, or takes too long.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while time.monotonic() < deadline_s:
                self.require_running()
                try:
                    if client.get(url).is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.05)
        raise StartFault(f"{self.name} did not answer within {START_TIMEOUT_S:.0f} s; see {self.log}.")

    def cpu_s(self) -> float:
        """Return the CPU time that the process has used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def memory(self) -> Memory:
        """Say what the process occupies now."""
        now = psutil.Process(self.process.pid).memory_info()
        shared = getattr(now, "shared", 0)
        return Memory(
            resident_bytes=now.rss, private_bytes=now.rss - shared, peak_bytes=_peak_resident_bytes(self.process.pid)
        )

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def _peak_resident_bytes(pid: int) -> int | None:
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class CpuReading:
    """CPU time used so far by the whole machine, and by the processes that are being measured."""

    at_s: float
    busy_s: float
    measured_s: float

    @classmethod
    def now(cls, measured: Child) -> CpuReading:
        """Read the clocks; this process, the clients', belongs to what is measured."""
        machine = psutil.cpu_times()
        idle_s = machine.idle + getattr(machine, "iowait", 0.0)
        # Linux counts a guest's time in user's too.
        counted_twice_s = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)
        own = psutil.Process().cpu_times()
        return cls(
            time.perf_counter(), sum(machine) - idle_s - counted_twice_s, measured.cpu_s() + own.user + own.system
        )

    def foreign_load_since(self, before: CpuReading) -> float:
        """Return the share of the machine's CPU time since then that others used."""
        others_s = (self.busy_s - before.busy_s) - (self.measured_s - before.measured_s)
        return max(0.0, others_s / ((self.at_s - before.at_s) * (psutil.cpu_count() or 1)))
