"""Ending with whoever started this process: a pipe of theirs that nobody writes to, and that closes when they die."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_input() -> None:
    """From now on, take the end of standard input for Ctrl-C."""
    threading.Thread(target=_interrupt_at_end_of_input, name="parent", daemon=True).start()


def _interrupt_at_end_of_input() -> None:
    # Not through sys.stdin's buffer: a thread that waits inside its lock aborts Python when another signal ends it.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    signal.raise_signal(signal.SIGINT)
