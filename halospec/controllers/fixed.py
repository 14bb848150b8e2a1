"""Modes ``fixed_0``, ``fixed_1``, …: the same draft length always."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.controllers.numbers import Length
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class FixedSettings:
    """The draft length of the length policy ``fixed``."""

    draft_length: Length = 4


@dataclass(frozen=True)
class FixedController:
    """Always chooses ``draft_length``; 0 is plain decoding, the mode all others are held against."""

    draft_length: int

    def choose(self) -> int:
        """Return the fixed draft length."""
        return self.draft_length

    def update(self, outcome: Outcome) -> None:
        """Learn nothing."""
