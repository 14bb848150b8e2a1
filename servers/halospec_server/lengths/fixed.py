"""The same draft length always."""

from __future__ import annotations

from dataclasses import dataclass

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round


@dataclass(frozen=True)
class FixedLength:
    """Always chooses ``draft_length``; 0 decodes plainly."""

    draft_length: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.draft_length <= MAX_DRAFT_LENGTH:
            raise ValueError(f"a draft length must be from 0 to {MAX_DRAFT_LENGTH}, not {self.draft_length}")

    def choose(self) -> int:
        """Return the fixed draft length."""
        return self.draft_length

    def update(self, done: Round) -> None:
        """Learn nothing."""
