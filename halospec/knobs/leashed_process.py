"""A program that runs another one and ends it when the other end of its own standard input closes.

Run by path, ``python -I -S leashed_process.py GRACE_S PROGRAM ARGUMENT…``: it imports nothing but the standard
library. Its parent holds the writing end of a pipe and never writes: the pipe closes when the parent wants the program
ended, or has died, by whatever death. The program is the first of a process group of its own, and the whole group is
ended: SIGTERM, and SIGKILL for what is left after so many seconds. On Linux, what the program has started outside the
group (``setsid``, a daemon) is killed once the program is gone. This process then ends as the program did: with its
status, or by the same signal.

Linux's PR_SET_PDEATHSIG is the second line: it ends the program, though not what that has started, should this process
itself be killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _adopt_orphans() -> None:
    """Become the parent of what the program leaves behind, so that its end can be waited for (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent() -> Callable[[], object] | None:
    """Return what the program's process has to call before it becomes the program; None where there is no such way."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        process_group=0,
        # No thread runs yet, so nothing can be locked in the copy.
        preexec_fn=_die_with_parent(),
    )


def _signal_group(program: subprocess.Popen[bytes], *, kill: bool) -> None:
    if sys.platform == "win32":
        program.kill()
        return
    # The group is gone, or all that is left of it belongs to another user.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL if kill else signal.SIGTERM)


def _end_what_is_left(program: subprocess.Popen[bytes]) -> None:
    _signal_group(program, kill=True)
    if sys.platform == "linux":
        # Each that ends leaves its own children to this process.
        while _kill_children():
            with suppress(ChildProcessError):
                os.wait()
    elif sys.platform != "win32":
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-program.pid, 0)


def _kill_children() -> bool:
    """Kill this process's own children and adopted ones; tell whether there was any that could be."""
    killed = False
    for process in Path("/proc").glob("[0-9]*"):
        # It may be gone by now, or belong to another user.
        with suppress(OSError):
            # Its name stands in brackets and may hold anything; then come its state and its parent.
            _, parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if int(parent) == os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
                killed = True
    return killed


def _call_at_end_of_input(end: Callable[[], None]) -> None:
    while os.read(0, 1024):
        pass
    end()


def _end_likewise(status: int) -> NoReturn:
    if status < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    # Not sys.exit: it would wait for the thread that reads.
    os._exit(status)


def main() -> None:
    """Run the program given on the command line."""
    grace_s, arguments = float(sys.argv[1]), sys.argv[2:]
    _adopt_orphans()
    try:
        program = _start(arguments)
    except OSError as error:
        sys.exit(f"{arguments[0]} cannot be started: {error.strerror or error}")
    ended = threading.Event()

    def end() -> None:
        _signal_group(program, kill=False)
        if not ended.wait(grace_s):
            _signal_group(program, kill=True)

    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, daemon=True).start())
    threading.Thread(target=_call_at_end_of_input, args=(end,), daemon=True).start()
    status = program.wait()
    ended.set()
    _end_what_is_left(program)
    _end_likewise(status)


if __name__ == "__main__":
    main()
