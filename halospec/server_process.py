"""The bundled server as a child process: started on a free loopback port, watched, and ended with its parent.

The measuring side never imports the server; they meet over HTTP.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from halospec.child_process import ending_in_words, free_loopback_port, is_illegal_instruction, last_lines

SERVER_MODULE = "halospec_server"
_START_TIMEOUT_S = 600.0
_STOP_TIMEOUT_S = 15.0
"""Longer than the server lets requests go on once it is told to stop."""
_SERVER_MODULES = ("fastapi", "jinja2", "llama_cpp", "prometheus_client", "pythonjsonlogger", "uvicorn")


class ServerProcessError(Exception):
    """The bundled server could not be started; the message says why and what to do."""


def require_server_package() -> None:
    """Make sure that the parts the server needs are installed.

    Raises
    ------
    ServerProcessError
        If the ``server`` extra is not.
    """
    missing = [name for name in _SERVER_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerProcessError(
            f"The bundled server needs {', '.join(missing)}; install it with: python -m pip install 'halospec[server]' "
            "(from a checkout: python -m pip install '.[server]')."
        )


def server_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs the bundled server in this environment."""
    return [sys.executable, "-m", SERVER_MODULE, *arguments]


@contextmanager
def bundled_server(arguments: Sequence[str], log_path: Path) -> Iterator[str]:
    """Run the bundled server on a free loopback port and yield its URL once it answers.

    It stops when the block is left, and by itself when this process dies by any death.

    Parameters
    ----------
    arguments
        More options of ``halospec serve``, such as ``["--target", "model.gguf"]``.
    log_path
        Where its log goes; appended to.

    Raises
    ------
    ServerProcessError
        If it cannot be started or dies before it answers.
    """
    require_server_package()
    port = free_loopback_port()
    url = f"http://127.0.0.1:{port}"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        process = _spawn([*arguments, "--port", str(port), "--stop-at-end-of-input"], log)
        try:
            _wait_until_healthy(process, url, log_path)
            yield url
        finally:
            _stop(process)


def _spawn(arguments: Sequence[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    # Whoever starts this server talks to it without a key.
    environment = {name: value for name, value in os.environ.items() if name != "HALOSPEC_SERVER_API_KEY"}
    # A group of its own: Ctrl-C is for this process, which then stops the server in order.
    return subprocess.Popen(
        server_command(arguments),
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=environment,
    )


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline_s:
            if process.poll() is not None:
                raise ServerProcessError(_why_it_died(process.returncode, log_path))
            try:
                if client.get(f"{url}/health").is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet: its model is still being fetched or loaded
            time.sleep(0.1)
    raise ServerProcessError(f"The bundled server did not answer within {_START_TIMEOUT_S:.0f} s; see {log_path}.")


def _why_it_died(returncode: int, log_path: Path) -> str:
    if is_illegal_instruction(returncode):
        return (
            "The bundled server died of an illegal instruction: llama-cpp-python was built for another CPU. Build it "
            "again with CMAKE_ARGS=-DGGML_NATIVE=OFF (from a checkout: python servers/build_llama_cpp.py)."
        )
    last = " ".join(last_lines(log_path)) or "it wrote nothing"
    return f"The bundled server {ending_in_words(returncode)}: {last} (log: {log_path})"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
