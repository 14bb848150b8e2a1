"""What rules of acceptance look at: how much was drafted, and how much of it was kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.controllers.protocol import Outcome


@dataclass(frozen=True, slots=True)
class Drafts:
    """The draft of one round, or all drafts of a request where rounds are not told apart.

    Attributes
    ----------
    rounds
        How many rounds these are.
    limit
        The draft length in force in each.
    drafted, accepted
        Tokens of all these rounds together.
    """

    rounds: int
    limit: int
    drafted: int
    accepted: int

    @property
    def all_kept(self) -> bool:
        """Whether something was drafted and nothing of it was rejected."""
        return 0 < self.drafted == self.accepted

    @property
    def held_back(self) -> bool:
        """Whether a draft was as long as it might be: of several rounds at least one, counted by pigeonholes."""
        return self.drafted > self.rounds * (self.limit - 1)

    @property
    def accepted_per_round(self) -> float:
        """Mean accepted tokens of a round."""
        return self.accepted / self.rounds


def drafts_of(outcome: Outcome) -> tuple[Drafts, ...]:
    """Return what is known of a step's drafts: round by round where they were logged, else all as one, else nothing.

    A failed step says nothing; one with k = 0 drafted nothing, whether the server said so or not. Where the server did
    not count rounds, they are taken to be the fewest in which so much can have been drafted.
    """
    if not outcome.success:
        return ()
    if outcome.round_log:
        return tuple(Drafts(1, done.limit, done.k, done.accepted) for done in outcome.round_log)
    if outcome.draft_length == 0:
        return (Drafts(outcome.rounds or 1, 0, 0, 0),)
    if outcome.drafted is None or outcome.accepted is None:
        return ()
    rounds = outcome.rounds or max(1, math.ceil(outcome.drafted / outcome.draft_length))
    return (Drafts(rounds, outcome.draft_length, outcome.drafted, outcome.accepted),)
