"""Rule ``thompson``: a bandit that uses each length as often as it is likely to be the best.

Thompson sampling (Thompson 1933; Chapelle & Li 2011) with normal posteriors and discounted sums (Raj & Kalyani 2017,
arXiv:1707.09727, do so for Bernoulli rewards): a rate is drawn for every arm, and the arm with the highest is used.

Where it departs: the reward is tokens per second, as a ratio of discounted sums (see `arms`, also for what a stretch
is). The width of a posterior is not estimated but set: ``spread`` of the best arm's rate for one stretch. It hangs on
the best arm's rate and not on the arm's own because an arm whose only step was a failure has a rate of 0, and with a
width of 0 it would never be tried again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from halospec.controllers.arms import Arms, earned_in
from halospec.controllers.numbers import Count, Length, Positive, Seed, Weight, require_range
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class ThompsonSettings:
    """The rule's numbers.

    Attributes
    ----------
    discount
        What a stretch still counts for when the next one is over; 0.95 is a memory of 20 stretches.
    spread
        Standard deviation of a stretch's rate, relative to the rate of the best arm.
    stretch_tokens
        Tokens of a stretch.
    seed
        Of what is drawn.
    """

    min_length: Length = 0
    max_length: Length = 8
    discount: Weight = 0.95
    spread: Positive = 0.1
    stretch_tokens: Count = 64
    seed: Seed = 1

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class ThompsonController:
    """Uses the length whose drawn rate is the highest; every length is tried once first, the shortest before others."""

    def __init__(self, settings: ThompsonSettings) -> None:
        self._spread = settings.spread
        self._random = Random(settings.seed)  # noqa: S311, chance and not secrecy
        self._arms = Arms(settings.min_length, settings.max_length, settings.discount, settings.stretch_tokens)

    def choose(self) -> int:
        """Draw a rate for every length and return the one with the highest."""
        arms = self._arms
        if (untried := arms.untried()) is not None:
            return untried
        rates = arms.rates()
        spread = self._spread * (max(rates) or 1.0)
        gauss = self._random.gauss
        drawn = [
            rate + spread / math.sqrt(stretches) * gauss(0.0, 1.0)
            for rate, stretches in zip(rates, arms.stretches, strict=True)
        ]
        return arms.lengths[drawn.index(max(drawn))]

    def update(self, outcome: Outcome) -> None:
        """Take in what a step brought and took; a failure brought nothing."""
        earned = earned_in(outcome)
        if earned is not None and outcome.draft_length in self._arms.lengths:
            self._arms.add(outcome.draft_length, earned)
