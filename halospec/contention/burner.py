"""The program of one burner process: keeps one core busy for a set share of the time.

Run by path, ``python -I -S burner.py --percent 75``, with pipes as standard input and output: it imports nothing but
the standard library and starts in milliseconds. It writes its process id, as one line, when it begins to burn.

It ends with its parent, by whatever death: the parent's end of the input pipe closes when the parent exits or is
killed, and a parent whose pipe lives on in a forked copy is missed by its process id. Linux's PR_SET_PDEATHSIG is
not used: it fires when the *thread* that started the burner ends, and burners are started from a worker thread.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import NoReturn

PERIOD_S = 0.025
"""Length of one cycle of burning and resting: short beside a request, long beside a scheduler's time slice."""

SPIN_ITERATIONS = 500
"""Iterations between two looks at the clock: some ten microseconds of arithmetic."""


def next_due_s(due_s: float, used_s: float, elapsed_s: float, share: float) -> float:
    """Return the CPU time to use in the next cycle.

    What a cycle used too much or too little is settled in the next one, by the wall-clock time that it really took.
    A deficit is carried for one period at most: a burner that was starved must not make up for it later, when the
    phase that follows is meant to be quiet.
    """
    return min(due_s - used_s + share * elapsed_s, 2 * share * PERIOD_S)


def burn(share: float, parent_id: int) -> None:
    """Use ``share`` of one core by this process's own CPU clock, until the parent is no longer there."""
    due_s = share * PERIOD_S
    while os.getppid() == parent_id:
        wall_s, cpu_s = time.monotonic(), time.process_time()
        while time.process_time() - cpu_s < due_s:
            for _ in range(SPIN_ITERATIONS):
                pass
        time.sleep(max(0.0, wall_s + PERIOD_S - time.monotonic()))
        due_s = next_due_s(due_s, time.process_time() - cpu_s, time.monotonic() - wall_s, share)


def _exit_at_end_of_input() -> NoReturn:
    while os.read(0, 1024):
        pass
    os._exit(0)


def main() -> None:
    """Burn at the share given on the command line."""
    parent_id = os.getppid()
    # Ctrl-C reaches the whole process group; when to stop is the parent's to say, by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    share = float(sys.argv[sys.argv.index("--percent") + 1]) / 100
    os.write(1, f"{os.getpid()}\n".encode())
    burn(share, parent_id)


if __name__ == "__main__":
    main()
