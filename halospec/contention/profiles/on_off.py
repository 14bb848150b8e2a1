"""A load that comes and goes at random, the same way for the same seed."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from halospec.contention.profiles.bounds import require_stretch

_FIRST_LOOK = 64


@dataclass(frozen=True)
class RandomOnOff:
    """All of the load and none of it in turn, for times drawn from exponential distributions; on first.

    Attributes
    ----------
    on_s, off_s
        Means of these times.
    seed
        From 0 on; the same seed gives the same course on every machine, whatever else is drawn there.

    Raises
    ------
    ValueError
        If a mean is too short to be carried out, or the seed is out of range.
    """

    on_s: float
    off_s: float
    seed: int = 1

    def __post_init__(self) -> None:
        require_stretch("The mean time on", self.on_s)
        require_stretch("The mean time off", self.off_s)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"A seed must lie between 0 and 2^63 - 1, not at {self.seed}.")

    def level(self, elapsed_s: float) -> float:
        """Return 1 where it is on, and 0 where it is off."""
        count = _FIRST_LOOK
        while (switches := _switches_s(self, count))[-1] <= elapsed_s:
            count *= 2
        return 1.0 if bisect_right(switches, elapsed_s) % 2 == 0 else 0.0


@lru_cache(maxsize=256)
def _switches_s(course: RandomOnOff, count: int) -> tuple[float, ...]:
    """Return when it goes off, on, off, … the first ``count`` times.

    More of them begin with the same as fewer: that keeps a level independent of what was asked for before.
    """
    # Of Python's generators this method alone is promised to give the same numbers in every version.
    draw = random.Random(course.seed).random  # noqa: S311
    at_s, switches = 0.0, []
    for place in range(count):
        at_s -= (course.off_s if place % 2 else course.on_s) * math.log1p(-draw())
        switches.append(at_s)
    return tuple(switches)
