"""Rule ``heuristic``: longer after full acceptance, shorter after a rejection.

The rule of ``num_assistant_tokens_schedule`` in Hugging Face's transformers
(``src/transformers/generation/candidate_generator.py``, ``AssistedCandidateGenerator.update_candidate_strategy``): 2
more when all that was drafted was accepted, otherwise 1 fewer, down to 1. Inside a server every text starts anew, as
with the original's ``heuristic_transient``; in the client requests go on from one another, as with its ``heuristic``.
It looks at acceptance, not at cost: it cannot find out that not drafting would be faster. Three things differ from the
original.

- There is a ceiling, ``max_length``.
- A round without a draft teaches nothing; the original takes it for one that was accepted in full.
- A draft shorter than allowed (the drafter knew no more, a stop ended it, the end of the text was near) does not raise
  the length when it is accepted: the length did not hold it back, and would otherwise climb to the ceiling on drafts
  of one token each, to be paid for by the first long draft that is wrong. If it is rejected the length falls as after
  any rejection, until it is short enough to matter.

In the client the rule moves once for every round that the server logged, though none of them could move the request
that it belongs to; where no rounds are logged, once for the request, which is then hardly ever accepted in full.
"""

from __future__ import annotations

from dataclasses import dataclass

from halospec.controllers.drafts import drafts_of
from halospec.controllers.numbers import Count, DraftingLength, require_between
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class HeuristicSettings:
    """The rule's numbers.

    Attributes
    ----------
    start_length
        Length of the first draft. The original's default was 5 as long as this rule was its default; later versions
        start from 20 and hold it.
    """

    start_length: DraftingLength = 5
    min_length: DraftingLength = 1
    max_length: DraftingLength = 8
    step_up: Count = 2
    step_down: Count = 1

    def __post_init__(self) -> None:
        require_between("start_length", self.start_length, self.min_length, self.max_length)


class HeuristicController:
    """Adds 2 when all that was drafted was accepted, and otherwise takes 1 away."""

    def __init__(self, settings: HeuristicSettings) -> None:
        self._settings = settings
        self._length = settings.start_length

    def choose(self) -> int:
        """Return the current draft length."""
        return self._length

    def update(self, outcome: Outcome) -> None:
        """Move the length by how each draft fared."""
        settings = self._settings
        for drafts in drafts_of(outcome):
            if drafts.accepted < drafts.drafted:
                self._length = max(settings.min_length, self._length - settings.step_down)
            elif drafts.all_kept and drafts.held_back:
                self._length = min(settings.max_length, self._length + settings.step_up)
