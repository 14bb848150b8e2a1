"""Whatever happens to the process that offers the load, no burner outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

PARENT = """
import anyio, psutil
from halospec.clock import start_clock
from halospec.contention.cpu import CpuInjector, CpuLoadSettings

injector = CpuInjector(CpuLoadSettings(workers=2, percent=20), start_clock())

async def trial():
    async with injector:
        await injector.start()
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        try:
            await anyio.sleep_forever()
        finally:
            print("interrupted:", len(burners()), "burning", flush=True)

def burners():
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]

try:
    anyio.run(trial)
except KeyboardInterrupt:
    print("ended:", len(psutil.Process().children()), "left", flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process, first of its own group, that has an injector running."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def burners_of(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    assert parent.stdout is not None
    burners = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(burners) == 2
    return burners


def test_killing_the_parent_leaves_no_burner(
    parent: subprocess.Popen[str], eventually: Callable[..., None], has_ended: Callable[[psutil.Process], bool]
) -> None:
    burners = burners_of(parent)
    assert not any(map(has_ended, burners))
    parent.kill()
    eventually(lambda: all(map(has_ended, burners)), within_s=3.0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to interrupt")
def test_ctrl_c_leaves_the_burners_to_the_parent_which_ends_them(parent: subprocess.Popen[str]) -> None:
    burners = burners_of(parent)
    os.killpg(parent.pid, signal.SIGINT)
    said, _ = parent.communicate(timeout=20)
    assert said.splitlines() == ["interrupted: 2 burning", "ended: 0 left"]
    assert not any(burner.is_running() for burner in burners)
