from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from load_workers import Worker, ready_worker, started, worker

HasEnded = Callable[[psutil.Process], bool]
Eventually = Callable[..., None]

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither sessions nor SIGTERM")
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets a process adopt what others leave behind"
)

WRITES_ITS_ID = """
import os, pathlib, signal, sys, time
def here(name):
    there = pathlib.Path(sys.argv[1])
    (there / (name + ".part")).write_text(str(os.getpid()))
    (there / (name + ".part")).rename(there / name)
"""
SLEEPS = WRITES_ITS_ID + "here('command'); time.sleep(60)"
IGNORES_SIGTERM = WRITES_ITS_ID + "signal.signal(signal.SIGTERM, signal.SIG_IGN); here('command'); time.sleep(60)"
HAS_A_DAEMON = (
    WRITES_ITS_ID
    + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        here('daemon')
        time.sleep(60)
    os._exit(0)
os.wait()
here('command')
"""
)
STAYS = "time.sleep(60)\n"
ENDS_WHEN_TOLD = """
import pathlib, sys, time
while not (pathlib.Path(sys.argv[1]) / "end").exists():
    time.sleep(0.01)
"""
PATIENT = """
import sys
from halospec.contention.programs import guard
guard.SETTLING_S = 60.0
guard.main(sys.argv[1:])
"""


def guarded(code: str, directory: Path) -> tuple[str, ...]:
    return ("guard", sys.executable, "-I", "-S", "-c", code, str(directory))


@contextmanager
def patient_guard(code: str) -> Iterator[Worker]:
    """A guard that takes any end within a minute for one at once, however slow the machine is to start a command."""
    with started([sys.executable, "-c", PATIENT, sys.executable, "-I", "-S", "-c", code]) as guard:
        yield guard


def process_named(directory: Path, name: str, eventually: Eventually) -> psutil.Process:
    eventually((directory / name).exists)
    return psutil.Process(int((directory / name).read_text()))


def is_left(guard: Worker) -> list[psutil.Process]:
    return psutil.Process(guard.pid).children(recursive=True)


def test_it_is_ready_when_the_command_runs(tmp_path: Path) -> None:
    with worker(*guarded(SLEEPS, tmp_path)) as guard:
        assert int(guard.hear()) in (guard.pid, *(child.pid for child in is_left(guard)))
        assert len(is_left(guard)) >= 1


def test_the_command_ends_with_the_lifeline(tmp_path: Path, eventually: Eventually, has_ended: HasEnded) -> None:
    with ready_worker(*guarded(SLEEPS, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        guard.let_go()
        assert guard.process.wait(timeout=20) == 0
        assert has_ended(command)


def test_the_command_ends_when_the_level_returns_to_zero(
    tmp_path: Path, eventually: Eventually, has_ended: HasEnded
) -> None:
    with ready_worker(*guarded(SLEEPS, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        guard.set_level(1.0)
        time.sleep(0.2)
        assert not has_ended(command)
        guard.set_level(0.0)
        assert guard.process.wait(timeout=20) == 0
        assert has_ended(command)


@on_posix
def test_the_command_ends_when_the_guard_is_asked_to(
    tmp_path: Path, eventually: Eventually, has_ended: HasEnded
) -> None:
    with ready_worker(*guarded(SLEEPS, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        guard.process.terminate()
        assert guard.process.wait(timeout=20) == 0
        assert has_ended(command)


@on_posix
def test_a_command_that_will_not_end_is_killed(tmp_path: Path, eventually: Eventually, has_ended: HasEnded) -> None:
    with ready_worker(*guarded(IGNORES_SIGTERM, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        guard.let_go()
        assert guard.process.wait(timeout=20) == 0
        assert has_ended(command)


@on_posix
def test_a_command_that_ends_in_order_is_given_the_time_to(tmp_path: Path, eventually: Eventually) -> None:
    code = (
        WRITES_ITS_ID
        + "def last(*_): here('in order'); sys.exit()\n"
        + "signal.signal(signal.SIGTERM, last); here('command'); time.sleep(60)"
    )
    with ready_worker(*guarded(code, tmp_path)) as guard:
        process_named(tmp_path, "command", eventually)
        guard.let_go()
        guard.process.wait(timeout=20)
    assert (tmp_path / "in order").exists()


@on_linux
def test_a_daemon_of_the_command_ends_with_it(tmp_path: Path, eventually: Eventually, has_ended: HasEnded) -> None:
    with ready_worker(*guarded(HAS_A_DAEMON + STAYS, tmp_path)) as guard:
        command, daemon = (process_named(tmp_path, name, eventually) for name in ("command", "daemon"))
        assert os.getsid(daemon.pid) != os.getsid(command.pid)
        guard.let_go()
        assert guard.process.wait(timeout=20) == 0
        assert has_ended(command)
        assert has_ended(daemon)


@on_linux
def test_the_load_lasts_as_long_as_a_daemon_that_the_command_left_behind(
    tmp_path: Path, eventually: Eventually, has_ended: HasEnded
) -> None:
    with ready_worker(*guarded(HAS_A_DAEMON, tmp_path)) as guard:
        daemon = process_named(tmp_path, "daemon", eventually)
        eventually(lambda: is_left(guard) == [daemon])
        assert guard.process.poll() is None
        daemon.kill()
        assert guard.process.wait(timeout=20) == 0


@on_linux
def test_the_command_goes_with_a_guard_that_is_killed(
    tmp_path: Path, eventually: Eventually, has_ended: HasEnded
) -> None:
    with ready_worker(*guarded(SLEEPS, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        guard.process.kill()
        eventually(lambda: has_ended(command))


@on_posix
def test_the_command_has_a_session_of_its_own_and_nothing_to_read(tmp_path: Path, eventually: Eventually) -> None:
    code = WRITES_ITS_ID + "assert sys.stdin.read() == ''\nhere('command')\ntime.sleep(60)"
    with ready_worker(*guarded(code, tmp_path)) as guard:
        command = process_named(tmp_path, "command", eventually)
        assert os.getsid(command.pid) == command.pid != os.getsid(guard.pid)


@on_posix
def test_the_command_takes_ctrl_c_and_a_hang_up_as_any_program_does(tmp_path: Path, eventually: Eventually) -> None:
    code = (
        WRITES_ITS_ID
        + "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        + "assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL\nhere('command')\n"
        + STAYS
    )
    with ready_worker(*guarded(code, tmp_path)):
        process_named(tmp_path, "command", eventually)


def test_a_command_that_says_much_is_not_held_up(tmp_path: Path, eventually: Eventually) -> None:
    code = WRITES_ITS_ID + "print('x' * 1_000_000, flush=True); here('command'); time.sleep(60)"
    with ready_worker(*guarded(code, tmp_path)):
        process_named(tmp_path, "command", eventually)


def test_the_guard_ends_when_the_command_has(tmp_path: Path) -> None:
    with ready_worker(*guarded(ENDS_WHEN_TOLD, tmp_path)) as guard:
        guard.set_level(1.0)
        (tmp_path / "end").touch()
        assert guard.hear() == ""
        assert guard.process.wait(timeout=20) == 0


def test_a_command_that_fails_later_is_one_sentence(tmp_path: Path) -> None:
    with ready_worker(*guarded(ENDS_WHEN_TOLD + "\nraise SystemExit('too tired')", tmp_path)) as guard:
        (tmp_path / "end").touch()
        assert guard.hear() == f"{sys.executable} ended with status 1, saying: too tired"
        assert guard.process.wait(timeout=20) == 1


def test_a_command_that_ends_at_once_was_no_load() -> None:
    with patient_guard("print('done before it began')") as guard:
        assert guard.hear() == f"{sys.executable} ended with status 0 at once, saying: done before it began"
        assert guard.process.wait(timeout=20) == 1


def test_what_a_command_says_is_made_fit_for_a_sentence() -> None:
    with patient_guard("raise SystemExit('first\\n\\x1b[31mred\\x07' + 'x' * 999)") as guard:
        said = guard.hear().partition("saying: ")[2]
        assert said.startswith("[31mred x")
        assert len(said) == 200


@on_posix
def test_a_command_that_is_ended_by_a_signal_at_once_is_one_sentence() -> None:
    with patient_guard("import os; os.kill(os.getpid(), 9)") as guard:
        assert guard.hear() == f"{sys.executable} was ended by signal 9 at once"


@on_posix
def test_a_command_that_cannot_be_started_is_one_sentence() -> None:
    with worker("guard", "/no/such/command", "--vm", "1") as guard:
        assert guard.hear() == "/no/such/command cannot be started: No such file or directory"
        assert guard.hear() == ""
        assert guard.process.wait(timeout=20) == 1
