"""A load that jumps between two levels at even intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.contention.profiles.bounds import require_level, require_stretch


@dataclass(frozen=True)
class Square:
    """A square wave between two percentages of the load's amount; high first.

    Attributes
    ----------
    duty_percent
        Of each period that is spent high.

    Raises
    ------
    ValueError
        If a value is out of range, or a stretch too short to be carried out.
    """

    period_s: float
    high_percent: float = 100.0
    low_percent: float = 0.0
    duty_percent: float = 50.0

    def __post_init__(self) -> None:
        if not (self.period_s > 0 and math.isfinite(self.period_s)):
            raise ValueError(f"A square wave's period must be above 0 s, not {self.period_s:g} s.")
        require_level("A square wave's high", self.high_percent)
        require_level("A square wave's low", self.low_percent)
        if not self.low_percent < self.high_percent:
            raise ValueError(
                f"A square wave's low must lie below its high, {self.high_percent:g} %, not at {self.low_percent:g} %."
            )
        if not 0 < self.duty_percent < 100:
            raise ValueError(f"A square wave's duty must lie between 0 and 100 %, not at {self.duty_percent:g} %.")
        require_stretch("The high part of a square wave", self._high_s)
        require_stretch("The low part of a square wave", self.period_s - self._high_s)

    @property
    def _high_s(self) -> float:
        return self.period_s * self.duty_percent / 100

    def level(self, elapsed_s: float) -> float:
        """Return the high level or the low one."""
        return (self.high_percent if elapsed_s % self.period_s < self._high_s else self.low_percent) / 100
