"""Keeps one core busy for a share of the time: ``burn --percent 75``, times the level that the lifeline names."""

from __future__ import annotations

import time
from collections.abc import Sequence

from halospec.contention.programs.lifeline import Lifeline

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


def burn(full_share: float, lifeline: Lifeline) -> None:
    """Use the due share of one core by this process's own CPU clock, until the lifeline ends."""
    due_s = 0.0
    while True:
        wall_s, cpu_s = time.monotonic(), time.process_time()
        while time.process_time() - cpu_s < due_s:
            for _ in range(SPIN_ITERATIONS):
                pass
        time.sleep(max(0.0, wall_s + PERIOD_S - time.monotonic()))
        share = min(1.0, full_share * lifeline.level)
        due_s = next_due_s(due_s, time.process_time() - cpu_s, time.monotonic() - wall_s, share)


def main(options: Sequence[str]) -> None:
    """Burn at the share given on the command line."""
    full_share = float(options[options.index("--percent") + 1]) / 100
    lifeline = Lifeline()
    lifeline.say_ready()
    burn(full_share, lifeline)
