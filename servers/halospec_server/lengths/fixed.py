"""The same draft length always."""

from __future__ import annotations

from halospec.controllers.decision import Setting
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round


class FixedLength:
    """Always chooses ``draft_length``, with the server's own threads; 0 decodes plainly."""

    lessons = 0
    stop = None
    decision = None

    def __init__(self, draft_length: int) -> None:
        if not 0 <= draft_length <= MAX_DRAFT_LENGTH:
            raise ValueError(f"a draft length must be from 0 to {MAX_DRAFT_LENGTH}, not {draft_length}")
        self._setting = Setting(draft_length)

    def choose(self, sequences: int) -> Setting:  # noqa: ARG002
        """Return the fixed draft length."""
        return self._setting

    def update(self, done: Round) -> None:
        """Learn nothing."""
