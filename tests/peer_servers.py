"""Other people's servers, started for a test: llama.cpp's own and llama-cpp-python's, built from PyPI once."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0


@cache
def llama_server_program() -> str:
    """Return the path of a native llama-server; the first call on a machine builds it, which takes minutes."""
    return _set_up("build_llama_server.py")


@cache
def llama_cpp_python_interpreter() -> str:
    """Return the path of an interpreter that has llama-cpp-python's own server."""
    return _set_up("build_llama_cpp_python_server.py")


@contextmanager
def llama_server(*arguments: object, log: Path) -> Iterator[str]:
    """Run a llama-server with one slot and one thread and yield its URL once it is healthy."""
    command = [llama_server_program(), "--host", "127.0.0.1", "-np", "1", "-t", "1", *map(str, arguments)]
    with peer_server(command, log=log) as url:
        yield url


@contextmanager
def llama_cpp_python_server(*arguments: object, log: Path) -> Iterator[str]:
    """Run llama-cpp-python's own server and yield its URL once it lists its model."""
    command = [llama_cpp_python_interpreter(), "-m", "llama_cpp.server", "--host", "127.0.0.1", *map(str, arguments)]
    with peer_server(command, log=log, health="/v1/models") as url:
        yield url


@contextmanager
def peer_server(command: Sequence[str], *, log: Path, health: str = "/health") -> Iterator[str]:
    """Run a server on a free port, given to it as ``--port``, and yield its URL once it is healthy."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as output,
        subprocess.Popen([*command, "--port", str(port)], stdout=output, stderr=output) as process,
    ):
        try:
            _wait_until_healthy(url + health, process, log)
            yield url
        finally:
            process.terminate()


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _set_up(program: str) -> str:
    build = [sys.executable, str(ROOT / "servers" / program)]
    return subprocess.run(build, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline_s:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            try:
                if client.get(address).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError(f"{process.args} did not come up in {PATIENCE_S:g} s")
