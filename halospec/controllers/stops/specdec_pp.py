"""Rule ``specdec_pp``: draft while it is likely enough that all of the draft will be kept.

SpecDec++ (Huang, Guo & Wang 2024, arXiv:2405.19715; Kaffaljidhmah2/SpecDec_pp): each token's probability of being
accepted is predicted, and the draft ends once the probability that at least one is rejected, ``1 - prod(a)``, exceeds a
threshold. The paper shows that the best policy has that form.

Where it departs:

- The source predicts with a network on the draft model's hidden states, trained for its pair. Here it is a logistic
  function of two numbers that any draft offers, ``a = 1 / (1 + exp(-(bias + slope · logit(p) + entropy_slope · H)))``,
  with p the likeliest token's probability and H the entropy in nats. The defaults are what
  ``benchmarks/draft_confidence.py plots/control/recordings/twin`` prints; their standard errors over prompts are about
  0.5, 0.3 and 0.2, and another pair's differ by more.
- The source weighs rejected tokens six times in training; here a is an unweighted, calibrated probability, and the
  threshold alone says how bold to be.
- The source proposes a token before it looks at the sum, and at least two; here the draft ends before the place that
  makes it too doubtful, and has at least one token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from halospec.controllers.numbers import Length, Share, require_range
from halospec.controllers.per_round import DraftPlace
from halospec.controllers.protocol import RoundOutcome
from halospec.controllers.stops.watching import UpToAStop, WatchedDraft

LEAST_DOUBT = 1e-6
"""Probabilities closer to 0 or 1 than this are taken for this: float32 tells them no better apart."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


def logit(probability: float) -> float:
    """Return the log odds of a probability, which is kept off 0 and 1."""
    kept_off = min(max(probability, LEAST_DOUBT), 1.0 - LEAST_DOUBT)
    return math.log(kept_off / (1.0 - kept_off))


@dataclass(frozen=True)
class SpecDecPpSettings:
    """The rule's numbers.

    Attributes
    ----------
    min_length
        Tokens that every draft proposes, whatever is offered for them.
    threshold
        The draft ends where the probability that some token of it is rejected would exceed this. Where a rejected
        token wastes a draft's pass of c1 and a needless end of the draft a round's fixed cost of c2, ``c2 / (c1 + c2)``
        is the order of it.
    bias, slope, entropy_slope
        From what a place offers to the log odds that its token is accepted.
    """

    min_length: Length = 1
    max_length: Length = 8
    threshold: Share = 0.7
    bias: Finite = 0.302
    slope: Finite = 4.080
    entropy_slope: Finite = 2.290

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)

    def acceptance(self, place: DraftPlace) -> float:
        """Return the predicted probability that the token proposed for a place is accepted."""
        log_odds = self.bias + self.slope * logit(place.top_probability) + self.entropy_slope * place.entropy
        if log_odds >= 0.0:
            return 1.0 / (1.0 + math.exp(-log_odds))
        odds = math.exp(log_odds)
        return odds / (1.0 + odds)


class SpecDecPpStop:
    """Ends the drafts of one text where a rejection becomes too likely."""

    def __init__(self, settings: SpecDecPpSettings) -> None:
        self._settings = settings
        self._draft = WatchedDraft(settings.min_length)
        self._all_kept = 1.0

    def begin(self) -> None:
        """Forget the last draft."""
        self._draft.begin()
        self._all_kept = 1.0

    def ends_before(self, place: DraftPlace) -> bool:
        """Tell whether, with the token for this place, the draft would more likely than allowed hold a wrong one."""
        self._all_kept *= self._settings.acceptance(place)
        return self._draft.reaches(place) and 1.0 - self._all_kept > self._settings.threshold

    def learn(self, done: RoundOutcome) -> None:
        """Learn nothing: what predicts acceptance was fitted beforehand."""


class SpecDecPpRule:
    """The rule for all texts of a server."""

    def __init__(self, settings: SpecDecPpSettings) -> None:
        self._settings = settings

    def for_text(self) -> UpToAStop:
        """Return the rule as it is applied to a new text."""
        return UpToAStop(self._settings.max_length, SpecDecPpStop(self._settings))
