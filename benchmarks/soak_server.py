"""The server that is soaked: a child process that is looked into, or somebody else's behind a URL."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pydantic import TypeAdapter

from halospec.server_process import server_command
from soak_checks import Sample, SlotState

START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 60.0
LAST_LINES = 40
_SLOTS = TypeAdapter(list[SlotState])


@dataclass(frozen=True)
class SoakedServer:
    """A running server.

    Attributes
    ----------
    process
        None for a server that is not ours: what needs to look into it is left out then.
    log_path
        Where the log of one that is ours goes.
    """

    url: str
    process: subprocess.Popen[bytes] | None = None
    log_path: Path | None = None

    def sample(self, at_s: float) -> Sample | None:
        """Look at what the process holds now."""
        if self.process is None or self.process.poll() is not None:
            return None
        seen = psutil.Process(self.process.pid)
        with seen.oneshot():
            memory = seen.memory_info()
            # Only Linux tells how much of it is shared.
            shared = getattr(memory, "shared", 0)
            return Sample(at_s, memory.rss, memory.rss - shared, seen.num_threads(), seen.num_fds())

    def slots(self) -> list[SlotState]:
        """Ask what the slots hold."""
        return _SLOTS.validate_json(self._get("/slots"))

    def metrics(self) -> str:
        """Ask for the metrics."""
        return self._get("/metrics")

    def answers(self) -> bool:
        """Whether it says that it is well."""
        try:
            self._get("/health")
        except httpx.HTTPError:
            return False
        return True

    def last_words(self) -> str:
        """Return the end of its log, as far as it is ours to read."""
        if self.log_path is None:
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def terminate(self) -> tuple[int | None, float]:
        """Send SIGTERM; the exit code, None if it had to be killed in the end, and the seconds that it took."""
        assert self.process is not None
        started_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code: int | None = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        return code, time.monotonic() - started_s

    def _get(self, path: str) -> str:
        # A connection of its own each time, so that none is left open when descriptors are counted.
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30.0) as client:
            return client.get(path).raise_for_status().text


@contextmanager
def started(arguments: Sequence[str], log_path: Path) -> Iterator[SoakedServer]:
    """Run the bundled server on a free loopback port until the block is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log_path.open("ab") as log:
        # Its standard input is its lifeline: should this process die, the server does too.
        process = subprocess.Popen(
            server_command([*arguments, "--port", str(port), "--stop-at-end-of-input"]),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        server = SoakedServer(f"http://127.0.0.1:{port}", process, log_path)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while not server.answers():
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"the server did not start; see {log_path}")
                time.sleep(0.1)
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            assert process.stdin is not None
            process.stdin.close()
