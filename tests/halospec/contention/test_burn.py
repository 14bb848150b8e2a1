from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.fleet import PROGRAMS
from halospec.contention.programs.burn import PERIOD_S, next_due_s

TICK_S = 0.02
"""Resolution of the operating system's account of CPU time."""


@contextmanager
def burner(percent: float, level: float | None = 1.0) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", str(PROGRAMS), "burn", "--percent", str(percent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert int(process.stdout.readline()) > 0
            if level is not None:
                tell(process, level)
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[bytes], level: float) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{level}\n".encode())
    process.stdin.flush()


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def most_cpu_s(share: float, started_s: float) -> float:
    """The most CPU time that a burner may have used since an instant: its share and what a few cycles may carry."""
    return share * (time.monotonic() - started_s + 4 * PERIOD_S) + TICK_S


def test_it_ends_when_its_input_closes() -> None:
    with burner(50) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_it_ends_when_it_is_told_nonsense() -> None:
    with burner(50) as process:
        assert process.stdin is not None
        process.stdin.write(b"a lot\n")
        process.stdin.flush()
        process.wait(timeout=20)


def test_an_unknown_program_is_named() -> None:
    asked = subprocess.run([sys.executable, "-I", "-S", PROGRAMS, "dance"], capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert asked.stderr.strip() == "there is no load program dance"


def test_it_does_nothing_until_it_is_told_a_level() -> None:
    with burner(100, level=None) as process:
        before_s = cpu_s(process)
        time.sleep(0.5)
        assert cpu_s(process) - before_s <= 0.1


def test_it_follows_the_levels_that_it_is_told(eventually: Callable[..., None]) -> None:
    with burner(100, level=0.2) as process:
        started_s, before_s = time.monotonic(), cpu_s(process)
        time.sleep(1.0)
        assert 0 < cpu_s(process) - before_s <= most_cpu_s(0.2, started_s)
        tell(process, 0)
        time.sleep(0.2)
        started_s, before_s = time.monotonic(), cpu_s(process)
        time.sleep(0.5)
        assert cpu_s(process) - before_s <= 0.1
        tell(process, 1)
        eventually(lambda: cpu_s(process) - before_s > 0.3)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")
def test_it_ignores_ctrl_c_and_waits_for_its_parent(eventually: Callable[..., None]) -> None:
    with burner(50) as process:
        os.kill(process.pid, signal.SIGINT)
        used_s = cpu_s(process)
        eventually(lambda: cpu_s(process) > used_s)
        assert process.poll() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_ends_with_its_parent_even_if_a_forked_copy_holds_its_pipe(
    eventually: Callable[..., None], has_ended: Callable[[psutil.Process], bool]
) -> None:
    parent = f"""
import os, subprocess, sys, time
command = [sys.executable, "-I", "-S", {str(PROGRAMS)!r}, "burn", "--percent", "20"]
child = subprocess.Popen(command, stdin=-1, stdout=-1)
pid = child.stdout.readline()
copy = os.fork()
if copy == 0:
    time.sleep(60)
    os._exit(0)
sys.stdout.write(f"{{pid.decode().strip()}} {{copy}}\\n")
sys.stdout.flush()
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        burning, copy = (psutil.Process(int(pid)) for pid in process.stdout.readline().split())
        process.kill()
        try:
            eventually(lambda: has_ended(burning))
            assert not has_ended(copy)
        finally:
            copy.kill()


def test_it_never_takes_more_than_its_share() -> None:
    with burner(50) as process:
        started_s, before_s = time.monotonic(), cpu_s(process)
        time.sleep(1.5)
        used_s = cpu_s(process) - before_s
        assert used_s <= most_cpu_s(0.5, started_s)
        assert used_s > 0


def test_a_starved_burner_does_not_make_up_for_lost_time(eventually: Callable[..., None]) -> None:
    with burner(50) as process:
        suspended = psutil.Process(process.pid)
        suspended.suspend()
        before_s = cpu_s(process)
        time.sleep(1.0)
        started_s = time.monotonic()
        suspended.resume()
        time.sleep(0.5)
        assert cpu_s(process) - before_s <= most_cpu_s(0.5, started_s)
        eventually(lambda: cpu_s(process) > before_s)


@given(
    st.floats(0.01, 1.0),
    st.lists(st.tuples(st.floats(PERIOD_S, 2.0), st.floats(0.0, 1.0)), max_size=50),
)
def test_the_share_holds_over_any_number_of_cycles(share: float, cycles: list[tuple[float, float]]) -> None:
    due_s, used_s, elapsed_s = share * PERIOD_S, 0.0, 0.0
    for cycle_s, luck in cycles:
        spent_s = min(max(due_s, 0.0), cycle_s) * luck
        due_s = next_due_s(due_s, spent_s, cycle_s, share)
        used_s += spent_s
        elapsed_s += cycle_s
        assert used_s <= share * (elapsed_s + PERIOD_S) + 1e-9
        assert due_s <= 2 * share * PERIOD_S


@given(st.floats(0.01, 1.0), st.floats(PERIOD_S, PERIOD_S * 1.01), st.floats(0.0, 0.001))
def test_what_a_cycle_overran_is_taken_from_the_next(share: float, elapsed_s: float, overrun_s: float) -> None:
    due_s = share * PERIOD_S
    assert next_due_s(due_s, due_s + overrun_s, elapsed_s, share) == pytest.approx(share * elapsed_s - overrun_s)
