"""Rule ``d_ucb``: an optimistic bandit that forgets.

Discounted UCB (Garivier & Moulines 2008, arXiv:0805.3415; ALT 2011): every arm's mean is discounted, and the arm with
the highest mean plus a bonus for how little is known of it is used next. As in BanditSpec (Hou et al. 2025,
arXiv:2505.15141) the arms are configurations of speculation, here draft lengths, 0 among them.

Where it departs:

- The reward is tokens per second, a ratio of discounted sums, relative to that of the best arm. BanditSpec counts
  tokens per round, and so cannot know that a longer draft costs more.
- Counts are of stretches of 64 tokens, not of steps (see `arms`), so that one setting serves requests and rounds.
  The published discount of 0.97 a request, taken literally for rounds, would be a memory of 33 rounds for nine arms.
- The bonus is ``bonus · sqrt(ln(1 + n) / n_k)``, positive from the first round on, where the source has ``ln n``; its
  factor is smaller than the source's 2, which presumes rewards anywhere between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.controllers.arms import Arms, earned_in
from halospec.controllers.numbers import Count, Length, NotNegative, Weight, require_range
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class DUcbSettings:
    """The rule's numbers.

    Attributes
    ----------
    discount
        What a stretch still counts for when the next one is over; 0.97 is a memory of 33 stretches.
    bonus
        Width of the confidence bound of an arm, relative to the best arm's rate.
    stretch_tokens
        Tokens of a stretch.
    """

    min_length: Length = 0
    max_length: Length = 8
    discount: Weight = 0.97
    bonus: NotNegative = 0.25
    stretch_tokens: Count = 64

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class DUcbController:
    """Uses the length that may yet be the best; every length is tried once first, the shortest before the others."""

    def __init__(self, settings: DUcbSettings) -> None:
        self._bonus = settings.bonus
        self._arms = Arms(settings.min_length, settings.max_length, settings.discount, settings.stretch_tokens)

    def choose(self) -> int:
        """Return the length with the highest upper bound; of equal ones the shortest."""
        arms = self._arms
        if (untried := arms.untried()) is not None:
            return untried
        rates = arms.rates()
        best = max(rates) or 1.0
        known = math.log1p(sum(arms.stretches))
        bounds = [
            rate / best + self._bonus * math.sqrt(known / stretches)
            for rate, stretches in zip(rates, arms.stretches, strict=True)
        ]
        return arms.lengths[bounds.index(max(bounds))]

    def update(self, outcome: Outcome) -> None:
        """Take in what a step brought and took; a failure brought nothing."""
        earned = earned_in(outcome)
        if earned is not None and outcome.draft_length in self._arms.lengths:
            self._arms.add(outcome.draft_length, earned)
