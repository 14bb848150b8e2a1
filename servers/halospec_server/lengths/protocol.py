"""What a length policy is."""

from __future__ import annotations

from typing import Protocol

from halospec_server.decoding.generation import Round


class LengthPolicy(Protocol):
    """Chooses the draft length of one sequence, round by round."""

    def choose(self) -> int:
        """Return the most tokens to draft in the next round, 0 to ``MAX_DRAFT_LENGTH``."""
        ...

    def update(self, done: Round) -> None:
        """Learn how the last round went."""
        ...
