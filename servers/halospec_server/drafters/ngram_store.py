"""Drafting without a model: what most often followed the same words, in all texts so far (NASD's idea)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from halospec_server.drafters.protocol import EVERYTHING, Draft, DraftRequest, Followed

_OBSERVATIONS = 16
_DOUBT = 2.0
_LAST = 64
"""Tokens learned at a text's end at most: more than any round yields."""


class NgramStoreDrafter:
    """Proposes, token by token, the most frequent continuation of the longest known end of the text.

    The store maps a *context*, a run of ``min_ngram`` to ``max_ngram`` tokens, to the tokens that followed its last 16
    occurrences, in any text. What is proposed is the most frequent of them, and of equally frequent ones the latest,
    for the longest context that is known. Counting the last 16 and not all of them lets old habits fade and bounds what
    a context can cost.

    Where nothing is known, or too little, the draft ends. A continuation seen c times after a context of n tokens that
    was seen m times (both of the last 16) is taken to come again with probability c / (m + 2/n). The 2/n stands for
    what has not been seen: in 40 greedy replies of SmolLM2-135M, what had followed the longest known context of 1, 2,
    3, 4, 5 tokens in its only occurrence followed again in 26, 42, 54, 63, 79 % of cases. A drafted token is of use
    only if all before it are accepted too, so the draft ends where the product of these probabilities falls below
    ``min_chance``, or one of them below the request's ``p_min``.

    All slots share the store. It learns each token of a text once: of a prompt as it is taken in, of what is written as
    it is verified; drafts that were rejected are never learned. A prompt that is sent again is learned again, since
    what is sent often is likely to be needed often; that cannot crowd out more than the contexts' last 16 occurrences.
    Requests that do not draft with the store teach it nothing.

    Memory is bounded: beyond ``max_contexts`` the context that has gone longest without being seen is dropped. A
    context takes 200 to 400 bytes, and a token of new text brings two or three of them.

    Two things follow from learning across requests. A draft hangs on what was learned before, so at temperatures above
    0 a seed repeats a text only if the store has learned nothing in between. And somebody who sends a text can tell
    from the speed of the reply, or from its counts of drafted and accepted tokens, whether others' texts went on in the
    same way: the texts themselves never appear, but where even that much must stay private, serve those users apart or
    with another drafter.

    Parameters
    ----------
    max_ngram, min_ngram
        Longest and shortest context. With 5, a text that was seen once, and no other like it, is followed for 4 tokens
        a round at the default ``min_chance``; contexts of a single token are rarely sure enough to start a draft with
        but complete words that have one ending only.
    max_contexts
        Contexts held at most.
    min_chance
        Estimated probability of being accepted below which no token is drafted. The default is near what one more
        position costs in a pass of the target, relative to a pass over one, on machines where that is dear.
    """

    name = "ngram_store"

    def __init__(
        self,
        max_ngram: int = 5,
        min_ngram: int = 1,
        *,
        max_contexts: int = 100_000,
        min_chance: float = 0.25,
    ) -> None:
        if not 1 <= min_ngram <= max_ngram:
            raise ValueError("1 ≤ min_ngram ≤ max_ngram is required")
        if max_contexts < 1:
            raise ValueError("max_contexts must be at least 1")
        if not 0.0 <= min_chance <= 1.0:
            raise ValueError("min_chance must be from 0 to 1")
        self._longest = max_ngram
        self._shortest = min_ngram
        self._max_contexts = max_contexts
        self._min_chance = min_chance
        # Least recently seen first.
        self._followers: OrderedDict[tuple[int, ...], tuple[int, ...]] = OrderedDict()
        self._learned: dict[int, int] = {}
        self._lessons = 0

    @property
    def n_contexts(self) -> int:
        """Contexts held now."""
        return len(self._followers)

    def begin(self, slot: int, prompt: Sequence[int], *, reuse: bool) -> None:
        """Start with nothing learned of the text; what was learned of others serves it in any case."""
        del prompt, reuse
        self._learned[slot] = 0

    @property
    def lessons(self) -> int:
        """Tokens learned so far."""
        return self._lessons

    def propose(
        self, requests: Sequence[DraftRequest], following: Sequence[Followed], most_missed: int = EVERYTHING
    ) -> list[Draft]:
        """Learn what is new in all texts, then propose for each request up to ``k`` tokens, none of them banned."""
        for prompt in following:
            self._learn(prompt.slot, prompt.tokens, min(prompt.length, self._learned[prompt.slot] + most_missed))
        for request in requests:
            known = self._learned[request.slot]
            self._learn(request.slot, request.tokens, min(len(request.tokens), known + most_missed))
        return [self._draft(request) for request in requests]

    def end(self, slot: int, tokens: Sequence[int]) -> None:
        """Learn the last of the text; of one that was given up early, what had not been taken in stays unlearned."""
        self._learn(slot, tokens, min(len(tokens), self._learned[slot] + _LAST))
        del self._learned[slot]

    def reset(self) -> None:
        """Forget everything."""
        self._learned.clear()
        self._followers.clear()

    def close(self) -> None:
        """Hold nothing that needs freeing."""

    def _learn(self, slot: int, tokens: Sequence[int], length: int) -> None:
        """Count each of the text's first ``length`` tokens that is new as a continuation of what stands before it."""
        learned = self._learned[slot]
        if length <= learned:
            return
        begin = max(0, learned - self._longest)
        text = tuple(tokens[begin:length])
        followers = self._followers
        for end in range(learned - begin, len(text)):
            token = text[end]
            for size in range(min(self._longest, end), self._shortest - 1, -1):
                context = text[end - size : end]
                followers[context] = (*followers.get(context, ())[1 - _OBSERVATIONS :], token)
                followers.move_to_end(context)
            while len(followers) > self._max_contexts:
                followers.popitem(last=False)
        self._lessons += length - learned
        self._learned[slot] = length

    def _draft(self, request: DraftRequest) -> Draft:
        banned = request.rules.banned
        context = tuple(request.tokens[-self._longest :])
        proposed: list[int] = []
        chance = 1.0
        while len(proposed) < request.k:
            continuation = self._continuation(context)
            if continuation is None:
                break
            token, probability = continuation
            chance *= probability
            if chance < self._min_chance or probability < request.p_min or token in banned:
                break
            proposed.append(token)
            context = (*context, token)[-self._longest :]
        return Draft(tuple(proposed))

    def _continuation(self, context: tuple[int, ...]) -> tuple[int, float] | None:
        """Return the token most likely to come next and its estimated probability; None where nothing is known."""
        for size in range(len(context), self._shortest - 1, -1):
            followers = self._followers.get(context[-size:])
            if followers is not None:
                favourite = max(reversed(followers), key=followers.count)
                return favourite, followers.count(favourite) / (len(followers) + _DOUBT / size)
        return None
