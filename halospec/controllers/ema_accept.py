"""Rule ``ema_accept``: a smoothed count of accepted tokens, held against the draft lengths that may be had.

SGLang's adaptive speculation (``python/sglang/srt/speculative/adaptive_spec_params.py``, ``AdaptiveStepSlot``, with the
defaults for batches of one text): ``e ← 0.8 e + 0.2 × accepted`` after every round, beginning at the first length − 1;
from the 15th round on, every 5th round chooses among 1, 3, 5, 7. Down, as many candidates as apply, where
``e ≤ next lower − 0.5 − 0.25`` (where the next lower is 0: ``e ≤ 0.5 − 0.25``); if it did not go down, up, as many as
apply, where ``e > current − 0.5``. From 0 always up by one, for without drafts nothing more is learnt. It looks at
acceptance, not at cost.

Three things differ from the original.

- A batch there is one pass over all running texts, and its accepted tokens their mean; here every text's round counts
  as a batch of one, and the candidates do not hang on how many texts there are.
- A round that was to draft and could not (the drafter knew nothing, the end of the text was near) teaches nothing and
  is not counted; EAGLE's drafter, which the original is made for, always drafts.
- In the client every round that the server logged counts as a batch. Where no rounds are logged the request counts as
  one, with its mean of accepted tokens a round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from halospec.controllers.drafts import drafts_of
from halospec.controllers.numbers import Count, Length, NotNegative, Weight, Whole
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class EmaAcceptSettings:
    """The rule's numbers, by the names that they have in SGLang.

    Attributes
    ----------
    start_length
        SGLang's ``speculative_num_steps``, which is 3 if nothing is said; one of ``candidate_steps``.
    candidate_steps
        Draft lengths to choose from, rising.
    ema_alpha
        Weight of the newest round.
    update_interval
        Rounds from one decision to the next.
    warmup_batches
        Rounds before the first interval begins.
    up_hysteresis, down_hysteresis
        What is added to the thresholds.
    ceiling_coeff
        Unless 0, no length is kept or gone down to above ``ceiling_coeff × e``, rounded up and at least 1. It never
        holds back a step up.
    """

    start_length: Length = 3
    candidate_steps: Annotated[tuple[Length, ...], Field(min_length=1)] = (1, 3, 5, 7)
    ema_alpha: Weight = 0.2
    update_interval: Count = 5
    warmup_batches: Whole = 10
    up_hysteresis: float = 0.0
    down_hysteresis: float = -0.25
    ceiling_coeff: NotNegative = 0.0

    def __post_init__(self) -> None:
        if list(self.candidate_steps) != sorted(set(self.candidate_steps)):
            raise ValueError("candidate_steps must rise")
        if self.start_length not in self.candidate_steps:
            raise ValueError(f"start_length must be one of candidate_steps, and {self.start_length} is not")


class EmaAcceptController:
    """Goes to the longest candidate that the smoothed count of accepted tokens bears out."""

    def __init__(self, settings: EmaAcceptSettings) -> None:
        self._settings = settings
        self._at = settings.candidate_steps.index(settings.start_length)
        self._smoothed = float(settings.start_length - 1)
        self._rounds = 0

    def choose(self) -> int:
        """Return the current draft length."""
        return self._settings.candidate_steps[self._at]

    def update(self, outcome: Outcome) -> None:
        """Take in each round, and at the end of every interval choose anew."""
        for drafts in drafts_of(outcome):
            if drafts.drafted or self.choose() == 0:
                self._take(drafts.accepted_per_round)

    def _take(self, accepted: float) -> None:
        settings = self._settings
        if self.choose() > 0:
            self._smoothed = (1 - settings.ema_alpha) * self._smoothed + settings.ema_alpha * accepted
        self._rounds += 1
        counted = self._rounds - settings.warmup_batches
        if counted > 0 and counted % settings.update_interval == 0:
            self._at = self._try_drafting() if self.choose() == 0 else self._borne_out()

    def _try_drafting(self) -> int:
        """Return the place of the shortest draft, after an interval without drafts."""
        above = min(self._at + 1, len(self._settings.candidate_steps) - 1)
        if self._smoothed < 0:
            self._smoothed = float(self._settings.candidate_steps[above] - 1)
        return above

    def _borne_out(self) -> int:
        candidates = self._settings.candidate_steps
        at = self._at
        while at > 0 and self._smoothed <= self._falls_at(candidates[at - 1]):
            at -= 1
        if at == self._at:
            while at < len(candidates) - 1 and self._smoothed > candidates[at] - 0.5 + self._settings.up_hysteresis:
                at += 1
        return at if at > self._at else self._under_ceiling(at)

    def _falls_at(self, lower: int) -> float:
        return (lower - 0.5 if lower else 0.5) + self._settings.down_hysteresis

    def _under_ceiling(self, at: int) -> int:
        settings = self._settings
        if settings.ceiling_coeff > 0:
            ceiling = max(1, math.ceil(self._smoothed * settings.ceiling_coeff))
            while at > 0 and settings.candidate_steps[at] > ceiling:
                at -= 1
        return at
