"""A two-sided CUSUM chart, which tells when the mean of a series has moved (Page 1954, Biometrika 41)."""

from __future__ import annotations

from dataclasses import dataclass

_CLIP = 4.0
"""No single value counts for more, so that one slow round raises no alarm by itself."""


@dataclass
class Cusum:
    """Sums up standardised deviations beyond a slack, upwards and downwards.

    Attributes
    ----------
    slack, alarm_at
        In standard deviations.
    up, down
        The sums.
    up_run, down_run
        Values since each sum was last 0: since when there may have been a change.
    """

    slack: float
    alarm_at: float
    up: float = 0.0
    down: float = 0.0
    up_run: int = 0
    down_run: int = 0

    def add(self, deviation: float) -> bool:
        """Take in a deviation from the mean, in standard deviations; return whether the mean is taken to have moved."""
        z = min(max(deviation, -_CLIP), _CLIP)
        self.up = max(0.0, self.up + z - self.slack)
        self.down = max(0.0, self.down - z - self.slack)
        self.up_run = self.up_run + 1 if self.up > 0.0 else 0
        self.down_run = self.down_run + 1 if self.down > 0.0 else 0
        return self.level > self.alarm_at

    @property
    def level(self) -> float:
        """How close to an alarm the chart is."""
        return max(self.up, self.down)

    @property
    def run(self) -> int:
        """Values since the larger sum was last 0."""
        return self.up_run if self.up >= self.down else self.down_run

    def reset(self) -> None:
        """Begin anew."""
        self.up = self.down = 0.0
        self.up_run = self.down_run = 0
