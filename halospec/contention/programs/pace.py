"""Moves bytes at a rate: what is due by the clock, in pieces, and no making up for time that was lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from halospec.contention.programs.lifeline import Lifeline

SAY_S = 0.02
"""Time between two words on how many bytes were moved."""


@dataclass(frozen=True)
class Pieces:
    """In what portions bytes are moved.

    Attributes
    ----------
    every_s
        Time between two portions, as long as their size lies within its bounds.
    least_bytes, most_bytes
        Bounds of a portion's size; more than the most is moved in several.
    carry_s
        What was not moved in time stays due for as long as this. A worker that was starved must not make up for it
        later, when the phase that follows is meant to be quiet.
    """

    every_s: float
    least_bytes: int
    most_bytes: int
    carry_s: float

    def size(self, bytes_per_s: float) -> int:
        """Return a portion's size at a rate."""
        return max(self.least_bytes, min(self.most_bytes, round(bytes_per_s * self.every_s)))

    def due(self, owed: float, elapsed_s: float, bytes_per_s: float) -> float:
        """Return the bytes owed after so much more time at a rate."""
        return min(owed + elapsed_s * bytes_per_s, max(bytes_per_s * self.carry_s, self.size(bytes_per_s)))


def keep_pace(lifeline: Lifeline, full_bytes_per_s: float, pieces: Pieces, move: Callable[[int], int]) -> NoReturn:
    """Move the due bytes, and say how many they were, until the lifeline ends.

    Parameters
    ----------
    full_bytes_per_s
        Rate at level 1.
    move
        Moves about as many bytes as it is told, and returns how many it moved.
    """
    moved, owed = 0, 0.0
    looked_s = said_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        bytes_per_s = full_bytes_per_s * lifeline.level
        owed = pieces.due(owed, now_s - looked_s, bytes_per_s)
        looked_s = now_s
        if now_s - said_s >= SAY_S:
            lifeline.say_count(moved)
            said_s = now_s
        size = pieces.size(bytes_per_s)
        if bytes_per_s > 0 and owed >= size:
            done = move(size)
            moved += done
            owed -= done
        else:
            missing_s = (size - owed) / bytes_per_s if bytes_per_s > 0 else SAY_S
            time.sleep(min(max(missing_s, pieces.every_s), SAY_S))
