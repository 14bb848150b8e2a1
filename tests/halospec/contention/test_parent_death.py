"""Whatever happens to the process that puts a load on the machine, nothing of the load outlives it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

import psutil
import pytest

from killed_injectors import KILLED_LOADS, KilledLoad

SET_UP = """
import pickle, sys, time
import anyio, psutil
from halospec.clock import start_clock
from halospec.contention.fleet import Fleet
from halospec.contention.together import injector_for, program_of

load = pickle.loads(bytes.fromhex(sys.argv[1]))

def started():
    return [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]

def say_started(expected=0):
    # A shell may take its time to start what it is told to.
    until_s = time.monotonic() + 20
    while len(started()) != expected > 0 and time.monotonic() < until_s:
        time.sleep(0.02)
    print(*(one.pid for one in started()), flush=True)
"""

RUNNING = """
injector = injector_for((load,), start_clock())

async def trial():
    async with injector:
        await injector.start()
        say_started(int(sys.argv[2]))
        try:
            await anyio.sleep_forever()
        finally:
            print("interrupted:", len(started()), "at work", flush=True)

try:
    anyio.run(trial)
except KeyboardInterrupt:
    print("ended:", len(psutil.Process().children()), "left", flush=True)
"""

STARTING = """
fleet = Fleet(program_of(load.what))
fleet.spawn()
say_started()
time.sleep(60)
"""

every_kind = pytest.mark.parametrize("killed", KILLED_LOADS, ids=lambda killed: killed.name)


MARK = "HALOSPEC_TESTS_PARENT"
"""In the environment of all that comes of one parent, wherever it went."""


@contextmanager
def parent(program: str, killed: KilledLoad, mark: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process, first of its own group, that puts a load on the machine."""
    command = [sys.executable, "-c", SET_UP + program, pickle.dumps(killed.load).hex(), str(killed.processes)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=os.environ | {MARK: mark}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def started_by(process: subprocess.Popen[str]) -> list[psutil.Process]:
    assert process.stdout is not None
    return [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]


def marked(mark: str) -> list[psutil.Process]:
    """What runs with the mark in its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@every_kind
def test_killing_the_parent_leaves_nothing_of_a_load_at_work(
    killed: KilledLoad, eventually: Callable[..., None], has_ended: Callable[[psutil.Process], bool]
) -> None:
    mark = uuid4().hex
    with parent(RUNNING, killed, mark) as process:
        started = started_by(process)
        assert len(started) == killed.processes
        assert {one.pid for one in started} < {one.pid for one in marked(mark)}
        process.kill()
        process.wait()
        # What is ending has no environment any more.
        eventually(lambda: not marked(mark) and all(map(has_ended, started)))


@every_kind
def test_killing_the_parent_leaves_nothing_of_a_load_that_is_only_being_started(
    killed: KilledLoad, eventually: Callable[..., None]
) -> None:
    mark = uuid4().hex
    with parent(STARTING, killed, mark) as process:
        assert started_by(process)
        process.kill()
        process.wait()
        eventually(lambda: not marked(mark))


@every_kind
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to signal")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGHUP"])
def test_what_ends_the_whole_process_group_leaves_nothing_either(
    killed: KilledLoad, number: str, eventually: Callable[..., None]
) -> None:
    mark = uuid4().hex
    with parent(RUNNING, killed, mark) as process:
        assert started_by(process)
        os.killpg(process.pid, signal.Signals[number])
        process.wait()
        eventually(lambda: not marked(mark))


@every_kind
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to interrupt")
def test_ctrl_c_leaves_the_workers_to_the_parent_which_ends_them(
    killed: KilledLoad, has_ended: Callable[[psutil.Process], bool]
) -> None:
    with parent(RUNNING, killed) as process:
        started = started_by(process)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=20)
        assert said.splitlines() == [f"interrupted: {killed.processes} at work", "ended: 0 left"]
        assert all(map(has_ended, started))
