"""Rule ``adaptive_normalised``: the original HaloSpec's rule as its README tells it.

Its code does otherwise (`halospec.controllers.adaptive`). Three things differ from that.

- Time per token is smoothed and compared, not the latency of a request, which grows with the length of the text: from
  the first token to the last where the reply was streamed, otherwise latency by tokens. Nothing is cut to whole
  milliseconds.
- A slow request takes 1 away, not 2.
- Between the thresholds k holds still; the code there climbs to 6.

As in the original, the thresholds are taken from the trial's warm-up and stay, and a failed request sends k to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec.controllers.numbers import Length, Percentile, Positive, Weight, Whole, require_between
from halospec.controllers.protocol import Outcome
from halospec.nearest_rank import nearest_rank

_CLASSIC_TOKENS = 64


@dataclass(frozen=True)
class AdaptiveNormalisedSettings:
    """The rule's numbers.

    Attributes
    ----------
    start_length
        k of the warm-up and of the first measured request.
    smoothing
        Weight of the newest time per token in the moving average.
    length_after_failure
        From where the rule goes on after a failed request.
    low_percentile, low_factor, high_percentile, high_factor
        ``low = factor × percentile`` of the warm-up's times per token, nearest rank; ``high`` likewise.
    fallback_low_ms, fallback_high_ms
        Thresholds if no warm-up request told its time per token: the original's 9000 and 22000 ms, by the 64 tokens of
        its requests.
    """

    start_length: Length = 4
    min_length: Length = 1
    max_length: Length = 8
    smoothing: Weight = 0.4
    step_up: Whole = 1
    step_down: Whole = 1
    length_after_failure: Length = 1
    low_percentile: Percentile = 50
    low_factor: Positive = 0.85
    high_percentile: Percentile = 95
    high_factor: Positive = 1.05
    fallback_low_ms: Positive = 9000 / _CLASSIC_TOKENS
    fallback_high_ms: Positive = 22000 / _CLASSIC_TOKENS

    def __post_init__(self) -> None:
        require_between("start_length", self.start_length, self.min_length, self.max_length)
        require_between("length_after_failure", self.length_after_failure, self.min_length, self.max_length)


class AdaptiveNormalisedController:
    """Raises k while tokens come fast, lowers it while they come slowly, and holds it in between.

    Parameters
    ----------
    warmup
        Outcomes of this trial's warm-up, which the thresholds are taken from.
    """

    def __init__(self, settings: AdaptiveNormalisedSettings, warmup: Sequence[Outcome]) -> None:
        self._settings = settings
        self._low_ms, self._high_ms = _thresholds(settings, warmup)
        self._length = settings.start_length
        self._smoothed_ms: float | None = None

    def choose(self) -> int:
        """Return the current draft length."""
        return self._length

    def update(self, outcome: Outcome) -> None:
        """Smooth the time per token of a success and move k; after a failure start again from the shortest."""
        settings = self._settings
        if not outcome.success:
            self._length = settings.length_after_failure
            return
        newest_ms = _ms_per_token(outcome)
        if newest_ms is None:
            return
        last_ms = newest_ms if self._smoothed_ms is None else self._smoothed_ms
        self._smoothed_ms = settings.smoothing * newest_ms + (1 - settings.smoothing) * last_ms
        if self._smoothed_ms < self._low_ms:
            self._length = min(self._length + settings.step_up, settings.max_length)
        elif self._smoothed_ms > self._high_ms:
            self._length = max(self._length - settings.step_down, settings.min_length)


def _ms_per_token(outcome: Outcome) -> float | None:
    """Return what a token took; None where nothing was said of tokens."""
    tokens = outcome.completion_tokens or 0
    if outcome.decode_ms and tokens > 1:
        return outcome.decode_ms / (tokens - 1)
    return outcome.latency_ms / tokens if tokens else None


def _thresholds(settings: AdaptiveNormalisedSettings, warmup: Sequence[Outcome]) -> tuple[float, float]:
    told_ms = [ms for outcome in warmup if outcome.success and (ms := _ms_per_token(outcome)) is not None]
    if not told_ms:
        return settings.fallback_low_ms, settings.fallback_high_ms
    return (
        settings.low_factor * nearest_rank(told_ms, settings.low_percentile),
        settings.high_factor * nearest_rank(told_ms, settings.high_percentile),
    )
