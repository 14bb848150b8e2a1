from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import pytest

from halospec.clock import Clock, start_clock

PATIENCE_S = 20.0
"""How long to wait for what must happen in the end; far longer than it takes."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return start_clock()


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """What this process has started and not yet reaped, zombies included."""
    before = {child.pid for child in psutil.Process().children()}
    return lambda: [child for child in psutil.Process().children() if child.pid not in before]


@pytest.fixture
def has_ended() -> Callable[[psutil.Process], bool]:
    """Whether a process runs no more; an orphan may stay a zombie until whoever adopted it reaps it."""

    def look(process: psutil.Process) -> bool:
        try:
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return look


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        deadline_s = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline_s, f"not so after {within_s:g} s"
            time.sleep(0.02)

    return wait
