"""Whatever happens to HaloSpec, or to the process between it and the server, no server outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil
import pytest

PARENT = """
import os, subprocess, sys
import anyio, psutil
from halospec.knobs.leash import LeashedProcess

SLEEPS = "import time; time.sleep(600)"
OWN_SESSION = sys.argv[1] == "own-session"
PROGRAM = (
    "import subprocess, sys;"
    f"subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session={OWN_SESSION}); {SLEEPS}"
)

async def main():
    with open(os.devnull, "ab") as log:
        await LeashedProcess.start([sys.executable, "-c", PROGRAM], os.environ, log, grace_s=1.0)
    with anyio.fail_after(20):
        while len(family := psutil.Process().children(recursive=True)) < 3:
            await anyio.sleep(0.02)
    print(*(process.pid for process in family), flush=True)
    await anyio.sleep_forever()

anyio.run(main)
"""


class Family(NamedTuple):
    parent: subprocess.Popen[str]
    leash: psutil.Process
    program: psutil.Process
    grandchild: psutil.Process


@pytest.fixture(
    params=[
        "same-group",
        pytest.param(
            "own-session",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets orphans be adopted"),
        ),
    ]
)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    """A process that has a program on a leash, which has started another one."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, request.param], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        try:
            assert parent.stdout is not None
            leash, program, grandchild = (psutil.Process(int(pid)) for pid in parent.stdout.readline().split())
            yield Family(parent, leash, program, grandchild)
            with suppress(psutil.NoSuchProcess):
                grandchild.kill()
        finally:
            parent.kill()


def ended(*processes: psutil.Process) -> Callable[[], bool]:
    """An orphan may stay a zombie until whoever adopted it reaps it."""

    def look(process: psutil.Process) -> bool:
        try:
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return lambda: all(map(look, processes))


def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_killing_halospec_ends_all(family):
    family.parent.kill()
    eventually(ended(family.leash, family.program, family.grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process of its parent's death")
def test_killing_the_process_between_ends_the_server(family):
    family.leash.kill()
    eventually(ended(family.program))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")
def test_telling_the_process_between_to_end_ends_the_server(family):
    family.leash.terminate()
    eventually(ended(family.leash, family.program, family.grandchild))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to interrupt")
def test_ctrl_c_reaches_halospec_alone_and_the_server_ends_with_it(family):
    groups = {os.getpgid(pid) for pid in (family.leash.pid, family.program.pid, family.grandchild.pid)}
    assert os.getpgid(family.parent.pid) not in groups
    os.killpg(family.parent.pid, signal.SIGINT)
    eventually(ended(family.leash, family.program, family.grandchild))
