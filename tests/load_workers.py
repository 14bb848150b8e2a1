"""One worker of a load, started as a fleet starts it, to be told and read by hand."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from halospec.contention.fleet import PROGRAMS

PATIENCE_S = 10.0
"""How long a worker may take to end before it is killed; far longer than it takes."""


class Worker:
    """A process of one of the load programs, and both ends of its talk."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self) -> str:
        """The next line that it says; empty at its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def set_level(self, level: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{level}\n".encode())
        self.process.stdin.flush()

    def let_go(self) -> None:
        """End its lifeline."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def count_after(self, seconds: float) -> int:
        """The first count that is heard when so many seconds have gone by."""
        ends_s = time.monotonic() + seconds
        while True:
            count = int(self.hear())
            if time.monotonic() >= ends_s:
                return count

    def count_from(self, least: int) -> int:
        """The first count of at least so many bytes."""
        while (count := int(self.hear())) < least:
            pass
        return count

    def last_count_from(self, least: int) -> int:
        """The last of the counts that it has said by the time that it has said this one. Not on Windows."""
        assert self.process.stdout is not None
        count = self.count_from(least)
        while select.select([self.process.stdout], [], [], 0.0)[0]:
            count = int(self.hear())
        return count


@contextmanager
def started(command: Sequence[str], beforehand: Callable[[], None] | None = None) -> Iterator[Worker]:
    """A process that talks as a load program does.

    ``beforehand`` runs in the new process before the program does; not on Windows.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        preexec_fn=beforehand,
    ) as process:
        try:
            yield Worker(process)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # By its lifeline, so that a guard can end what it has started.
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def worker(*arguments: str, beforehand: Callable[[], None] | None = None) -> Iterator[Worker]:
    """A load program that has yet to say that it is ready."""
    with started([sys.executable, "-I", "-S", str(PROGRAMS), *arguments], beforehand) as one:
        yield one


@contextmanager
def ready_worker(*arguments: str) -> Iterator[Worker]:
    """A load program that has said that it is ready."""
    with worker(*arguments) as one:
        assert int(one.hear()) > 0
        yield one
