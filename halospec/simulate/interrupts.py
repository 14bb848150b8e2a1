"""Ctrl-C in a program with worker processes: the parent's business alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def children_born_deaf() -> Iterator[None]:
    """Have processes that are started meanwhile never hear of Ctrl-C, which a terminal sends to all of them.

    They inherit this thread's signal mask, so not even one that is still being loaded prints a traceback. An
    interruption in the meantime reaches this process afterwards. Where there are no signal masks, nothing changes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Imported here because it cannot be on Windows. Once it runs, it leaves the mask alone.
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
