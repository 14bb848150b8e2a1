"""What a length policy is."""

from __future__ import annotations

from typing import Protocol

from halospec.controllers.decision import Decision, Setting
from halospec.controllers.per_round import DraftStop
from halospec_server.decoding.generation import Round


class LengthPolicy(Protocol):
    """Chooses the draft length of one text, round by round, and perhaps the threads with it."""

    @property
    def lessons(self) -> int:
        """How many texts before this one it learned from: a draft hangs on them, and so does a seed's text."""
        ...

    @property
    def stop(self) -> DraftStop | None:
        """What may end a model's draft before the length in force does."""
        ...

    @property
    def decision(self) -> Decision | None:
        """Why the last choice was made, if it differs from the one before and the text's request wants to know."""
        ...

    def choose(self, sequences: int) -> Setting:
        """Return what the next round is to use; ``sequences`` texts share its pass, if there is room for all."""
        ...

    def update(self, done: Round) -> None:
        """Learn how the last round went."""
        ...
