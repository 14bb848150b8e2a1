"""Drafting without a model: what followed the same words the last time (prompt lookup, Saxena 2023)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from halospec_server.drafters.protocol import Draft, TokenIds
from halospec_server.sampling import Sampling


class PromptLookupDrafter:
    """Proposes what followed the most recent earlier occurrence of the text's last n tokens, longest n first.

    An index from n-gram to the position after it grows with the text, so a proposal costs a few look-ups and not a
    scan.

    Parameters
    ----------
    max_ngram, min_ngram
        Longest and shortest suffix that is looked for.
    """

    name = "ngram"

    def __init__(self, max_ngram: int = 4, min_ngram: int = 2) -> None:
        if not 1 <= min_ngram <= max_ngram:
            raise ValueError("1 ≤ min_ngram ≤ max_ngram is required")
        self._sizes = range(max_ngram, min_ngram - 1, -1)
        self._index: dict[tuple[int, ...], int] = {}
        self._indexed = 0

    def begin(self, prompt: Sequence[int], cancelled: Callable[[], bool]) -> None:
        """Forget the last sequence; the prompt is indexed with the first proposal."""
        del prompt, cancelled
        self._index.clear()
        self._indexed = 0

    def propose(
        self,
        tokens: Sequence[int],
        k: int,
        sampling: Sampling,
        rng: np.random.Generator,
        banned: TokenIds,
    ) -> Draft:
        """Propose up to ``k`` tokens; none if the last words are new."""
        del sampling, rng
        self._index_up_to(tokens)
        for size in self._sizes:
            after = self._index.get(tuple(tokens[-size:])) if len(tokens) > size else None
            if after is not None:
                return Draft(_before_any(tokens[after : after + k], banned))
        return Draft(())

    def close(self) -> None:
        """Hold nothing that needs freeing."""

    def _index_up_to(self, tokens: Sequence[int]) -> None:
        """Index every n-gram that has a token after it; the last one, still without, is what will be looked up."""
        for end in range(max(self._indexed, 1), len(tokens)):
            for size in self._sizes:
                if end >= size:
                    self._index[tuple(tokens[end - size : end])] = end
        self._indexed = len(tokens)


def _before_any(tokens: Sequence[int], banned: TokenIds) -> tuple[int, ...]:
    stops = frozenset(banned.tolist())
    return tuple(itertools.takewhile(lambda token: token not in stops, tokens))
