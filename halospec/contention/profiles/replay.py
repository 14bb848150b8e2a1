"""A load that follows a recorded course."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from halospec.contention.profiles.bounds import require_level

MOST_STEPS = 10_000
"""Every plan and every report carries the whole course."""


@dataclass(frozen=True)
class Step:
    """From ``at_s`` seconds on, so many percent of the load's amount."""

    at_s: float
    percent: float

    def __post_init__(self) -> None:
        if not (self.at_s >= 0 and math.isfinite(self.at_s)):
            raise ValueError(f"A step must come 0 s after the start or later, not at {self.at_s:g} s.")
        require_level("A step", self.percent)


@dataclass(frozen=True)
class Replay:
    """Steps in order of time, each held until the next and the last for good; nothing before the first.

    Raises
    ------
    ValueError
        If there are none, they are out of order, or none asks for anything.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not any(step.percent > 0 for step in self.steps):
            raise ValueError("A replayed course needs at least one step above 0 %.")
        if len(self.steps) > MOST_STEPS:
            raise ValueError(
                f"A replayed course can have {MOST_STEPS} steps, not {len(self.steps)}; "
                "leave out those that change little."
            )
        for earlier, later in pairwise(self.steps):
            if later.at_s <= earlier.at_s:
                raise ValueError(
                    f"Each step must come after the one before, not at {later.at_s:g} s after {earlier.at_s:g} s."
                )

    def level(self, elapsed_s: float) -> float:
        """Return the level of the last step so far."""
        place = bisect_right(self.steps, elapsed_s, key=lambda step: step.at_s)
        return self.steps[place - 1].percent / 100 if place else 0.0
