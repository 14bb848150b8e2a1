"""Rule ``aimd``: additive increase, multiplicative decrease.

The law by which senders share a network link (Chiu & Jain, "Analysis of the increase and decrease algorithms for
congestion avoidance in computer networks", Computer Networks and ISDN Systems 17, 1989), applied to draft lengths. That
application is ours, for comparison with rules that were made for drafts; no engine is known to use it. Rejected tokens
stand for lost packets: 1 more after a draft kept in full, half of it, rounded down, after one of which fewer than half
was kept, and otherwise as before. Chiu and Jain prove that the law is fair to several senders; a single draft has no
one to be fair to, and all that it inherits is caution: slow up, fast down.

A draft shorter than allowed does not raise the length, and a round without a draft teaches nothing, as in
`halospec.controllers.heuristic`. It looks at acceptance, not at cost, and never stops drafting. In the client it moves
once for every round that the server logged; where no rounds are logged, once for the request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from halospec.controllers.drafts import Drafts, drafts_of
from halospec.controllers.numbers import Count, DraftingLength, Share, require_between
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class AimdSettings:
    """The rule's numbers.

    Attributes
    ----------
    start_length
        Length of the first draft.
    increase
        What is added to the length after a draft kept in full.
    decrease
        What the length is multiplied by, and rounded down, after a draft of which too little was kept.
    least_kept
        The share of a draft that must be kept for the length to stay.
    """

    start_length: DraftingLength = 4
    min_length: DraftingLength = 1
    max_length: DraftingLength = 8
    increase: Count = 1
    decrease: Annotated[float, Field(gt=0, lt=1)] = 0.5
    least_kept: Share = 0.5

    def __post_init__(self) -> None:
        require_between("start_length", self.start_length, self.min_length, self.max_length)


class AimdController:
    """Adds 1 after a draft kept in full, and halves when fewer than half of a draft was kept."""

    def __init__(self, settings: AimdSettings) -> None:
        self._settings = settings
        self._length = settings.start_length

    def choose(self) -> int:
        """Return the current draft length."""
        return self._length

    def update(self, outcome: Outcome) -> None:
        """Move the length by how each draft fared."""
        for drafts in drafts_of(outcome):
            self._length = self._after(drafts)

    def _after(self, drafts: Drafts) -> int:
        settings = self._settings
        if drafts.accepted < settings.least_kept * drafts.drafted:
            return max(settings.min_length, math.floor(self._length * settings.decrease))
        if drafts.all_kept and drafts.held_back:
            return min(settings.max_length, self._length + settings.increase)
        return self._length
