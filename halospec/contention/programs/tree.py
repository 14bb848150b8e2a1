"""A command, and all that came of it: started, watched and ended as one, as far as each system can do that.

On Linux this process adopts what the command leaves behind (PR_SET_CHILD_SUBREAPER), so that not even a daemon gets
away; should this process itself be killed, the command goes with it (PR_SET_PDEATHSIG), though not what that started.
On Windows all of it is in one job, which ends with this process. On macOS and elsewhere it is the command's process
group, and what has left that is not found again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Tree(Protocol):
    """A command that was started, and all that came of it.

    Attributes
    ----------
    output
        Descriptor to read from what it says.
    status
        How the command itself ended, negative for a signal; ``None`` as long as that was not noticed.
    """

    output: int
    status: int | None

    def has_ended(self) -> bool:
        """Tell whether nothing is left of it, as far as is known here."""
        ...

    def ask_to_end(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """Kill what there is of it now; what it leaves behind may need another call."""
        ...


def start_tree(command: Sequence[str]) -> Tree:
    """Start a command without input, from a process that has no threads yet.

    Raises
    ------
    OSError, ValueError
        If it cannot be started.
    """
    if sys.platform == "win32":
        return _WindowsTree(command)
    elif sys.platform == "linux":  # noqa: RET505 - type checkers for Windows then skip what is not for it
        return _LinuxTree(command)
    else:
        return _GroupTree(command)


if sys.platform != "win32":

    class _GroupTree:
        """The first process of a session of its own, and its process group."""

        def __init__(self, command: Sequence[str]) -> None:
            self._process = _started(command, preexec_fn=_take_signals)
            self.output = _output_of(self._process)
            self.status: int | None = None

        def has_ended(self) -> bool:
            self.status = self._process.poll()
            return self.status is not None and not _signalled(os.killpg, self._process.pid, 0)

        def ask_to_end(self) -> None:
            _signalled(os.killpg, self._process.pid, signal.SIGTERM)

        def kill(self) -> None:
            _signalled(os.killpg, self._process.pid, signal.SIGKILL)

    class _LinuxTree:
        """All that is a child of this process, by birth or by adoption.

        Only what this process has not waited for yet is signalled, so a process id cannot be another's by then.
        """

        def __init__(self, command: Sequence[str]) -> None:
            import ctypes

            libc, guard_id = ctypes.CDLL(None), os.getpid()
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

            def before_it_is_the_command() -> None:
                _take_signals()
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() != guard_id:
                    os._exit(1)

            self._process = _started(command, preexec_fn=before_it_is_the_command)
            self.output = _output_of(self._process)
            self.status: int | None = None

        def has_ended(self) -> bool:
            # Not by the Popen object: orphans have to be waited for as well.
            with suppress(ChildProcessError):
                while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                    if waited[0] == self._process.pid:
                        self.status = os.waitstatus_to_exitcode(waited[1])
                return False
            return True

        def ask_to_end(self) -> None:
            self._signal(signal.SIGTERM)

        def kill(self) -> None:
            # Each that ends leaves its own children to this process.
            self._signal(signal.SIGKILL)

        def _signal(self, number: signal.Signals) -> None:
            if self.status is None:
                _signalled(os.killpg, self._process.pid, number)
            for child in _children():
                if child != self._process.pid:
                    _signalled(os.kill, child, number)

    def _take_signals() -> None:
        # They are ignored here, and what is ignored would be so in the command too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def _started(command: Sequence[str], preexec_fn: Callable[[], None]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=preexec_fn,
        )

    def _signalled(send: Callable[[int, int], None], whom: int, number: int) -> bool:
        # Gone, or another user's; a group of nothing but zombies counts as that on macOS.
        with suppress(ProcessLookupError, PermissionError):
            send(whom, number)
            return True
        return False

    def _children() -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            # It may be gone by now.
            with suppress(OSError):
                # Its name stands in brackets and may hold anything; then come its state and its parent.
                _, parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if int(parent) == os.getpid():
                    yield int(process.name)


if sys.platform == "win32":

    class _WindowsTree:
        """A process, and the job that it is in with all that it starts, and with this process."""

        def __init__(self, command: Sequence[str]) -> None:
            from halospec.contention.programs.windows_job import join_job_that_ends_with_this_process

            join_job_that_ends_with_this_process()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
            )
            self.output = _output_of(self._process)
            self.status: int | None = None

        def has_ended(self) -> bool:
            self.status = self._process.poll()
            return self.status is not None

        def ask_to_end(self) -> None:
            with suppress(OSError):
                os.kill(self._process.pid, signal.CTRL_BREAK_EVENT)

        def kill(self) -> None:
            self._process.kill()


def _output_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
    return process.stdout.fileno()
