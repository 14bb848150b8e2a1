"""Drafting without a model: what followed the same words the last time (prompt lookup, Saxena 2023)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from halospec_server.drafters.protocol import EVERYTHING, Draft, DraftRequest, Followed


class PromptLookupDrafter:
    """Proposes what followed the most recent earlier occurrence of a text's last n tokens, longest n first.

    Each slot's text has its own index, from n-gram to the position after it, which grows with the text: a proposal
    costs a few look-ups and not a scan. Where the earlier occurrence lies so near that what followed it reaches the end
    of the text, the proposal goes on from its own beginning, as the repetition it has found would.

    How likely a proposal is remains unknown, so ``p_min`` does not shorten it.

    Parameters
    ----------
    max_ngram, min_ngram
        Longest and shortest suffix that is looked for.
    """

    name = "prompt_lookup"

    def __init__(self, max_ngram: int = 4, min_ngram: int = 2) -> None:
        if not 1 <= min_ngram <= max_ngram:
            raise ValueError("1 ≤ min_ngram ≤ max_ngram is required")
        self._sizes = range(max_ngram, min_ngram - 1, -1)
        self._indexes: dict[int, _Index] = {}

    def begin(self, slot: int, prompt: Sequence[int], *, reuse: bool) -> None:
        """Start an empty index; nothing is kept of earlier texts that could be used again."""
        del prompt, reuse
        self._indexes[slot] = _Index(self._sizes)

    @property
    def lessons(self) -> int:
        """None: texts are looked up in themselves alone."""
        return 0

    def propose(
        self, requests: Sequence[DraftRequest], following: Sequence[Followed], most_missed: int = EVERYTHING
    ) -> list[Draft]:
        """Propose for each request up to ``k`` tokens, ending before a banned one; none if its last words are new."""
        del most_missed  # an index of thousands of tokens is a matter of a millisecond
        for prompt in following:
            self._indexes[prompt.slot].grow(prompt.tokens, prompt.length)
        return [self._draft(request) for request in requests]

    def end(self, slot: int, tokens: Sequence[int]) -> None:
        """Forget the text."""
        del tokens
        del self._indexes[slot]

    def reset(self) -> None:
        """Forget every text."""
        self._indexes.clear()

    def close(self) -> None:
        """Hold nothing that needs freeing."""

    def _draft(self, request: DraftRequest) -> Draft:
        index = self._indexes[request.slot]
        index.grow(request.tokens, len(request.tokens))
        after = index.find(request.tokens)
        if after is None:
            return Draft(())
        seen = request.tokens[after : after + request.k]
        repeated = itertools.islice(itertools.cycle(seen), request.k)
        banned = request.rules.banned
        return Draft(tuple(itertools.takewhile(lambda token: token not in banned, repeated)))


class _Index:
    """Where in one text each n-gram stood last.

    Parameters
    ----------
    sizes
        The n looked for, longest first.
    """

    def __init__(self, sizes: range) -> None:
        self._sizes = sizes
        self._after: dict[tuple[int, ...], int] = {}
        self._length = 0

    def grow(self, tokens: Sequence[int], length: int) -> None:
        """Index what the text's first ``length`` tokens have that is new: every n-gram with a token after it."""
        for size in self._sizes:
            first = max(self._length, size)
            if first < length:
                ends = range(first, length)
                before = tokens[first - size : length - 1]
                self._after.update(zip(_ngrams(before, size), ends, strict=True))
        self._length = max(self._length, length)

    def find(self, tokens: Sequence[int]) -> int | None:
        """Return the position after the last earlier occurrence of the text's longest suffix that has one."""
        for size in self._sizes:
            after = self._after.get(tuple(tokens[-size:]))
            if after is not None:
                return after
        return None


def _ngrams(tokens: Sequence[int], size: int) -> zip[tuple[int, ...]]:
    """Return all runs of ``size`` tokens, from left to right."""
    return zip(*(tokens[i:] for i in range(size)), strict=False)
