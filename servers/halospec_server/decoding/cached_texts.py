"""What text each slot of a context's cache holds, so that nothing known is decoded again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from halospec_server.llama import Context, Logits, Piece


class CachedTexts:
    """A context, and the tokens whose keys and values each of its slots holds.

    Parameters
    ----------
    context
        From now on only to be changed through this.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._texts: list[list[int]] = [[] for _ in range(context.n_slots)]

    def text(self, slot: int) -> Sequence[int]:
        """Return the tokens that a slot holds; a view, not to be changed."""
        return self._texts[slot]

    def length(self, slot: int) -> int:
        """Return how many tokens a slot holds."""
        return len(self._texts[slot])

    def common(self, slot: int, tokens: Sequence[int]) -> int:
        """Return how many tokens from the first on a slot's text has in common with ``tokens``."""
        return common_prefix(self._texts[slot], tokens)

    def reuse(self, slot: int, tokens: Sequence[int]) -> int:
        """Let a slot hold the longest beginning of ``tokens`` that any slot holds, and nothing else.

        Returns
        -------
        Its length.
        """
        source = max(chain([slot], range(self.context.n_slots)), key=lambda other: self.common(other, tokens))
        length = self.common(source, tokens)
        self.truncate(slot, self.common(slot, tokens))
        if source != slot:
            self.context.share(source, slot, length)
            self._texts[slot][:] = self._texts[source][:length]
        return length

    def decode(self, pieces: Sequence[Piece]) -> Logits:
        """Run a pass; see `Context.decode`."""
        rows = self.context.decode(pieces)
        for piece in pieces:
            self._texts[piece.slot].extend(piece.tokens)
        return rows

    def truncate(self, slot: int, length: int) -> None:
        """Forget a slot's text from its token ``length`` on."""
        self.context.truncate(slot, length)
        del self._texts[slot][length:]

    def reset(self) -> None:
        """Forget everything."""
        self.context.reset()
        for text in self._texts:
            text.clear()


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens from the first on two texts have in common."""
    # Comparing slices runs at C speed where a loop over tokens would not; a tuple's never equals a list's.
    one, other = list(one), list(other)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
