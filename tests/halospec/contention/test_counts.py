from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention import counts
from halospec.contention.counts import CpuTimes, OwnCounts

NO_WORDS = io.BytesIO()
BURN = "import sys, time\nwhile time.process_time() < {seconds}: pass\n"
A_PARENT = """
import subprocess, sys
while True:
    line = sys.stdin.readline()
    if not line:
        break
    subprocess.run([sys.executable, "-c", {program!r}])
    print("done", flush=True)
"""


class Numbered(psutil.Process):
    """Stands in for a process of which only the id is asked."""

    def __init__(self, number: int) -> None:
        self._number = number

    @property
    def pid(self) -> int:
        return self._number


@contextmanager
def a_parent_of(program: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a program in a child of its own whenever it is sent a line."""
    command = [sys.executable, "-c", A_PARENT.format(program=program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def send(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_for(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"


@pytest.fixture
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LOOK_FOR_OTHERS_S", 0.0)


@pytest.mark.usefixtures("looks_each_time")
def test_the_cpu_time_of_what_a_worker_started_counts_as_its_own(eventually: Callable[..., None]) -> None:
    with a_parent_of("while True: pass") as worker:
        cpu = CpuTimes(starts_others=True)
        cpu.add(psutil.Process(worker.pid), NO_WORDS)
        send(worker)
        eventually(lambda: cpu.count() > 300_000_000)
        assert sum(psutil.Process(worker.pid).cpu_times()[:2]) < 0.3
        for child in psutil.Process(worker.pid).children():
            child.kill()


@pytest.mark.usefixtures("looks_each_time")
def test_the_cpu_time_of_what_has_vanished_is_kept() -> None:
    with a_parent_of("while True: pass") as worker:
        cpu = CpuTimes(starts_others=True)
        cpu.add(psutil.Process(worker.pid), NO_WORDS)
        send(worker)
        while cpu.count() < 200_000_000:
            time.sleep(0.02)
        before = cpu.count()
        for child in psutil.Process(worker.pid).children():
            child.kill()
        wait_for(worker)
        assert cpu.count() >= before
        worker.kill()
        worker.wait()
        assert cpu.count() >= before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count the time of what was waited for")
def test_nothing_is_missing_of_processes_too_short_lived_to_be_seen() -> None:
    with a_parent_of(BURN.format(seconds=0.15)) as worker:
        cpu = CpuTimes(starts_others=True)
        cpu.add(psutil.Process(worker.pid), NO_WORDS)
        before = cpu.count()
        for _ in range(4):
            send(worker)
            wait_for(worker)
        assert cpu.count() - before >= 4 * 130_000_000


@pytest.mark.usefixtures("looks_each_time")
def test_the_cpu_time_never_falls_while_processes_come_and_go() -> None:
    with a_parent_of(BURN.format(seconds=0.1)) as worker:
        cpu = CpuTimes(starts_others=True)
        cpu.add(psutil.Process(worker.pid), NO_WORDS)
        readings = [cpu.count()]
        for _ in range(5):
            send(worker)
            for _ in range(20):
                readings.append(cpu.count())
                time.sleep(0.01)
            wait_for(worker)
        assert readings == sorted(readings)
        times = psutil.Process(worker.pid).cpu_times()
        if sys.platform == "linux":
            assert cpu.count() <= round(sum(times[:4]) * 1e9) + 50_000_000


@given(st.lists(st.lists(st.integers(0, 1000), max_size=20).map(sorted), min_size=1, max_size=4))
def test_what_workers_say_is_summed_and_never_falls(said: list[list[int]]) -> None:
    own = OwnCounts()
    for worker, numbers in enumerate(said):
        output = io.BytesIO(b"".join(f"{number}\n".encode() for number in numbers) + b"12345678")
        own.add(Numbered(worker), output)
    own.close()
    assert own.count() == sum(numbers[-1] if numbers else 0 for numbers in said)


def test_what_is_no_number_is_passed_over() -> None:
    own = OwnCounts()
    own.add(Numbered(1), io.BytesIO(b"100\nTraceback: 5 errors\n-7\n40\n120\n"))
    own.close()
    assert own.count() == 120
