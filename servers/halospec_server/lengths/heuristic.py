"""Hugging Face's heuristic: longer after full acceptance, shorter after a rejection."""

from __future__ import annotations

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round


class HeuristicLength:
    """Adds 2 when all that was drafted was accepted, and otherwise takes 1 away, down to 1.

    The rule of ``num_assistant_tokens_schedule="heuristic"`` in Hugging Face's transformers. It looks at acceptance,
    not at cost: it cannot find out that not drafting would be faster. Three things differ from the original.

    - There is a ceiling, ``MAX_DRAFT_LENGTH``.
    - A round without a draft teaches nothing; the original takes it for one that was accepted in full.
    - A draft shorter than allowed (the drafter knew no more, ``p_min`` ended it, the end of the text was near) does not
      raise the length when it is accepted: the length did not hold it back, and would otherwise climb to the ceiling
      on drafts of one token each, to be paid for by the first long draft that is wrong. If it is rejected the
      length falls as after any rejection, until it is short enough to matter.

    Parameters
    ----------
    start
        Length of the first draft. The original's default was 5 as long as this rule was its default; later versions
        start from 20 and hold it.
    """

    def __init__(self, start: int = 5) -> None:
        if not 1 <= start <= MAX_DRAFT_LENGTH:
            raise ValueError(f"a draft length to start from must be from 1 to {MAX_DRAFT_LENGTH}, not {start}")
        self._length = start

    def choose(self) -> int:
        """Return the current draft length."""
        return self._length

    def update(self, done: Round) -> None:
        """Move the length by how the draft of the last round fared."""
        if done.accepted < done.k:
            self._length = max(1, self._length - 1)
        elif 0 < done.k == done.limit:
            self._length = min(MAX_DRAFT_LENGTH, self._length + 2)
