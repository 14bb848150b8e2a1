"""The command line as a person types it, in a process of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

PATIENCE_S = 60.0


def command(*arguments: object) -> list[str]:
    """Return the command line ``halospec ARGUMENTS`` in this environment."""
    return [sys.executable, "-m", "halospec", *map(str, arguments)]


def clean_environment() -> dict[str, str]:
    """Return this environment without settings that a developer may have left in it, and with a state of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALOSPEC_")}
    return kept | {"XDG_STATE_HOME": _state_home()}


@cache
def _state_home() -> str:
    folder = tempfile.mkdtemp(prefix="halospec-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def halospec(*arguments: object, timeout: float = 240.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``halospec ARGUMENTS`` to its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=clean_environment() | environment,
    )


@contextmanager
def halospec_running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start ``halospec ARGUMENTS``; what still runs at the end is killed."""
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that another process does."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)
