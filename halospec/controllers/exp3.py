"""Rule ``exp3``: a bandit that trusts nothing, for rewards an adversary may have chosen.

Exp3 and Exp3.S (Auer, Cesa-Bianchi, Freund & Schapire 2002, SIAM J. Comput. 32): an arm is drawn with a chance that
grows exponentially with what it has brought, estimated without bias by dividing each gain by the chance of having
tried for it; a share of all steps is spread evenly. Exp3.S also gives every arm, at every step, a share of all weight,
so that it follows a best arm that changes; with ``share`` 0 the rule is Exp3.

Where it departs:

- The gain of a step is ``tokens - rate · time``, with the rate at which tokens have come of late (all arms together,
  discounted sums). In expectation it is positive for just those lengths whose ratio of tokens to time is above that
  rate (Dinkelbach 1967): sums of such gains favour the best *ratio of sums*, which sums of rates do not. It is divided
  by the largest gain or loss seen lately and moved from -1..1 into 0..1.
- EXP3Spec (Hou et al. 2025, BanditSpec, arXiv:2505.15141) chooses round by round among configurations to have as few
  rounds as possible: its gains are tokens per round and know no cost. Neither share nor discount is in it.
- The step of the exponent, ``learning_rate``, is a setting of its own; the source's is ``exploration / arms``.
- The share of all weight is taken after the step's gain is added; the source takes it before.

The weights are kept as logarithms relative to the largest, so that they neither overflow nor vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from halospec.controllers.arms import Arms, Earned, earned_in
from halospec.controllers.numbers import Count, Length, Seed, Share, Weight, require_range
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class Exp3Settings:
    """The rule's numbers.

    Attributes
    ----------
    exploration
        Share of the steps whose length is drawn evenly; gamma in the source.
    learning_rate
        How much a gain of 1, divided by its probability, adds to the exponent.
    share
        Of all weight, what is spread evenly at every step; alpha in the source, which has the number of changes
        divided by the number of steps.
    discount, stretch_tokens
        Memory of the rate that gains are measured against, and of the largest gain (see `arms`).
    seed
        Of what is drawn.
    """

    min_length: Length = 0
    max_length: Length = 8
    exploration: Weight = 0.1
    learning_rate: Weight = 0.05
    share: Share = 0.001
    discount: Weight = 0.97
    stretch_tokens: Count = 64
    seed: Seed = 1

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class Exp3Controller:
    """Draws each length with a probability that hangs on what it has gained."""

    def __init__(self, settings: Exp3Settings) -> None:
        self._settings = settings
        self._random = Random(settings.seed)  # noqa: S311, chance and not secrecy
        self._arms = Arms(settings.min_length, settings.max_length, settings.discount, settings.stretch_tokens)
        self._log_weights = [0.0] * len(self._arms.lengths)
        self._chance_when_drawn = self.probabilities()
        self._largest = 0.0

    def probabilities(self) -> list[float]:
        """Return how likely each length is to be drawn next, from the shortest to the longest."""
        weights = [math.exp(value) for value in self._log_weights]
        total = sum(weights)
        even = self._settings.exploration / len(weights)
        return [(1.0 - self._settings.exploration) * weight / total + even for weight in weights]

    def choose(self) -> int:
        """Draw a length."""
        probabilities = self.probabilities()
        arm = self._random.choices(range(len(probabilities)), probabilities)[0]
        # Several texts of a server may have drawn before the first of them reports back.
        self._chance_when_drawn[arm] = probabilities[arm]
        return self._arms.lengths[arm]

    def update(self, outcome: Outcome) -> None:
        """Credit the length with what a step gained over the usual rate; a failure lost all of its time."""
        earned = earned_in(outcome)
        if earned is None or outcome.draft_length not in self._arms.lengths:
            return
        self._largest *= self._arms.add(outcome.draft_length, earned)
        arm = outcome.draft_length - self._arms.lengths.start
        estimate = self._scaled_gain(earned) / self._chance_when_drawn[arm]
        self._log_weights[arm] += self._settings.learning_rate * estimate
        self._spread_weight()

    def _scaled_gain(self, earned: Earned) -> float:
        gain = earned.tokens - self._arms.overall_rate() * earned.time_ms
        self._largest = max(abs(gain), self._largest)
        return 0.5 + 0.5 * gain / self._largest if self._largest > 0.0 else 0.5

    def _spread_weight(self) -> None:
        highest = max(self._log_weights)
        weights = [math.exp(value - highest) for value in self._log_weights]
        even = math.e * self._settings.share * sum(weights) / len(weights)
        # Without a share a weight may come to nothing; its logarithm stays where exp() can still tell it from 0.
        self._log_weights = [math.log(max(weight + even, 1e-300)) for weight in weights]
