"""What ties a worker to the process that started it: it takes its level from there, and ends with it.

The worker's standard input is the lifeline. A line on it is a level, ``0.35``: the share of the full amount that is
due from now on. Its end is the worker's end: the parent's side of the pipe closes when the parent exits or is killed,
by whatever death. A parent whose pipe lives on in a forked copy is missed by its process id. Linux's PR_SET_PDEATHSIG
is not used here: it fires when the *thread* that started the worker ends, and workers are started from worker threads.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

PARENT_LOOK_S = 0.1
"""Time between two looks at whether the parent is still there."""


def _nothing() -> None:
    pass


class Lifeline:
    """A worker's tie to its parent, from construction on. Made in the main thread, for it has Ctrl-C ignored.

    Parameters
    ----------
    before_end
        What must be done before the worker ends; called once, from any thread.
    """

    def __init__(self, before_end: Callable[[], None] = _nothing) -> None:
        self._before_end = before_end
        self._ending = threading.Lock()
        self._level = 0.0
        self._parent_id = os.getppid()
        # Ctrl-C reaches the whole process group; when to stop is the parent's to say, by closing the pipe.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self._follow, daemon=True).start()
        threading.Thread(target=self._watch_parent, daemon=True).start()

    @property
    def level(self) -> float:
        """Share of the full amount that is due now; 0 until the parent has named one.

        From 0 to 1, or a little above that where the parent finds that too little is done.
        """
        return self._level

    def say_ready(self) -> None:
        """Tell the parent this worker's process id: it begins now."""
        self._say(os.getpid())

    def say_count(self, count: int) -> None:
        """Tell the parent how many bytes this worker has moved since it began."""
        self._say(count)

    def give_up(self, reason: str) -> NoReturn:
        """Tell the parent, in a line that is no number, why this worker cannot go on, and end."""
        with suppress(OSError):
            os.write(1, f"{reason}\n".encode(errors="replace"))
        self.end(1)

    def end(self, status: int = 0) -> NoReturn:
        """End this process at once, whatever its other threads are at."""
        with self._ending:
            try:
                self._before_end()
            finally:
                os._exit(status)

    def _say(self, number: int) -> None:
        try:
            os.write(1, f"{number}\n".encode())
        except OSError:
            # Nobody is there to hear it.
            self.end()

    def _follow(self) -> None:
        try:
            rest = b""
            while piece := os.read(0, 4096):
                *lines, rest = (rest + piece).split(b"\n")
                if lines:
                    self._level = float(lines[-1])
        finally:
            self.end()

    def _watch_parent(self) -> None:
        while os.getppid() == self._parent_id:
            time.sleep(PARENT_LOOK_S)
        self.end()
