"""Mode ``adaptive``: the original HaloSpec's rule on smoothed latency, kept to the letter.

Known to be crude, and measured as it is: it looks at the latency of a whole request, not at the time per token; it
falls by 2 and climbs by 1; and between its thresholds it climbs to 6 rather than holding still.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from halospec.controllers.calibration import CalibrationSettings, Thresholds
from halospec.controllers.numbers import Length, Weight, Whole, require_between
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class AdaptiveSettings:
    """The rule's numbers.

    Attributes
    ----------
    start_length
        k of the warm-up and of the first measured request.
    smoothing
        Weight of the newest latency in the moving average.
    climb_until
        Between the thresholds k still grows while it is below this.
    length_after_failure
        From where the rule goes on after a failed request.
    """

    start_length: Length = 4
    min_length: Length = 1
    max_length: Length = 8
    smoothing: Weight = 0.4
    step_up: Whole = 1
    step_down: Whole = 2
    climb_until: Length = 6
    length_after_failure: Length = 1
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        require_between("start_length", self.start_length, self.min_length, self.max_length)
        require_between("length_after_failure", self.length_after_failure, self.min_length, self.max_length)


class AdaptiveController:
    """Raises k while requests are fast, lowers it when they are slow.

    Parameters
    ----------
    thresholds
        From the warm-up of this trial.
    """

    def __init__(self, settings: AdaptiveSettings, thresholds: Thresholds) -> None:
        self._settings = settings
        self._thresholds = thresholds
        self._length = settings.start_length
        self._smoothed_ms: float | None = None

    def choose(self) -> int:
        """Return the current draft length."""
        return self._length

    def update(self, outcome: Outcome) -> None:
        """Smooth the latency of a success and move k; after a failure start again from the shortest."""
        if not outcome.success:
            self._length = self._settings.length_after_failure
            return
        self._smooth(outcome.latency_ms)
        settings = self._settings
        moved = self._length + self._move()
        self._length = min(max(moved, settings.min_length), settings.max_length)

    def _smooth(self, latency_ms: float) -> None:
        if self._smoothed_ms is None:
            self._smoothed_ms = latency_ms
        else:
            alpha = self._settings.smoothing
            self._smoothed_ms = alpha * latency_ms + (1 - alpha) * self._smoothed_ms

    def _move(self) -> int:
        whole_ms = int(self._smoothed_ms or 0.0)
        if whole_ms < self._thresholds.low_ms:
            return self._settings.step_up
        if whole_ms > self._thresholds.high_ms:
            return -self._settings.step_down
        return self._settings.step_up if self._length < self._settings.climb_until else 0
