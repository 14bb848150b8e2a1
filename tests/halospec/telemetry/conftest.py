from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import pytest

_LISTENER = """
import socket, subprocess, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listening.set_inheritable(True)
if "busy" in sys.argv:
    # A worker of it, which inherits the socket and computes.
    work = "print(0, flush=True)\\nwhile True: pass"
    worker = subprocess.Popen([sys.executable, "-c", work], close_fds=False, stdout=subprocess.PIPE)
    worker.stdout.readline()
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
if "busy" in sys.argv:
    worker.kill()
    worker.wait()
"""


@dataclass(frozen=True)
class Listening:
    """A process that listens on a port and never answers: telemetry asks a server nothing."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def seen(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def end(self) -> None:
        self.process.communicate()


@contextmanager
def _listening(port: int, *how: str) -> Iterator[Listening]:
    command = [sys.executable, "-c", _LISTENER, str(port), *how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Listening(process, int(process.stdout.readline()))
    finally:
        process.communicate()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    """Start processes that listen: on a port, and with a worker that is ``busy`` if wanted."""
    with ExitStack() as stack:
        yield lambda port=0, *how: stack.enter_context(_listening(port, *how))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
