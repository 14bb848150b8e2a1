"""A load that grows, or fades."""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.contention.profiles.bounds import require_level


@dataclass(frozen=True)
class Ramp:
    """From one percentage of the load's amount to another in a straight line, where it then stays.

    Raises
    ------
    ValueError
        If a value is out of range, or it never asks for anything.
    """

    over_s: float
    from_percent: float = 0.0
    to_percent: float = 100.0

    def __post_init__(self) -> None:
        if not (self.over_s > 0 and math.isfinite(self.over_s)):
            raise ValueError(f"A ramp must take more than 0 s, not {self.over_s:g} s.")
        require_level("A ramp's beginning", self.from_percent)
        require_level("A ramp's end", self.to_percent)
        if self.from_percent == self.to_percent == 0:
            raise ValueError("A ramp from 0 % to 0 % asks for nothing; let it rise, or leave the load off.")

    def level(self, elapsed_s: float) -> float:
        """Return the level on the line, and that of its end afterwards."""
        share = min(elapsed_s / self.over_s, 1.0)
        percent = (1 - share) * self.from_percent + share * self.to_percent
        # Rounding alone can lead beyond the two ends.
        return min(percent, max(self.from_percent, self.to_percent)) / 100
