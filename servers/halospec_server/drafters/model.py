"""Drafting with a smaller or coarser model of the same vocabulary."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from halospec_server.decoding.cached_texts import CachedTexts
from halospec_server.decoding.sampling import Probabilities, draw
from halospec_server.decoding.threads import fewest
from halospec_server.drafters.protocol import Draft, DraftRequest, Followed
from halospec_server.llama import Context, Logits, Model, Piece


class ModelDrafter:
    """A second model that runs ahead of the target, in all slots at once.

    In every slot its cache holds a prefix of the verified text plus what it proposed last. ``propose`` first drops the
    part of that proposal which was not accepted, then catches up with the verified text (after full acceptance that is
    two tokens: its own last proposal, which it never decoded, and the target's).

    Parameters
    ----------
    context
        The draft model's own context, with as many slots as the target's; closed with the drafter.
    n_target_vocab
        Tokens in the target's vocabulary: none beyond it is proposed.
    """

    name = "model"

    def __init__(self, context: Context, n_target_vocab: int) -> None:
        self.texts = CachedTexts(context)
        self._context = context
        self._n_shared = min(context.model.n_vocab, n_target_vocab)
        # Up to here a slot's text in the cache is known to be the verified one.
        self._verified = [0] * context.n_slots

    @property
    def model(self) -> Model:
        """The draft model."""
        return self._context.model

    def begin(self, slot: int, prompt: Sequence[int], *, reuse: bool) -> None:
        """Keep what the cache holds of the prompt already."""
        if reuse:
            self._verified[slot] = self.texts.reuse(slot, prompt)
        else:
            self.texts.truncate(slot, 0)
            self._verified[slot] = 0

    def propose(self, requests: Sequence[DraftRequest], following: Sequence[Followed]) -> list[Draft]:
        """Draft for all requests in common passes, one for each place; prompts that are followed share the first.

        A request gets fewer tokens than it asked for where ``p_min`` ends its draft or its context is full.
        """
        threads = fewest([request.threads for request in requests] + [prompt.threads for prompt in following])
        self._context.use_threads(threads)
        started_ns = time.perf_counter_ns()
        runs = [self._start(request) for request in requests]
        running = [run for run in runs if run.k > 0]
        self._catch_up(running)
        catch_up_ns = time.perf_counter_ns() - started_ns
        beside = self._what_fits_beside(following, room=self._context.n_batch - 2 * len(running))
        used_threads = 0
        while running or beside:
            pieces = beside + [Piece(run.request.slot, run.undecoded, 1) for run in running]
            rows = self.texts.decode(pieces)
            used_threads = self._context.threads_for(sum(len(piece.tokens) for piece in pieces))
            for run, row in zip(running, rows, strict=True):
                run.choose(row[: self._n_shared])
            running = [run for run in running if not run.complete]
            beside = []
        for request in requests:
            self._verified[request.slot] = len(request.tokens)
        for prompt in following:
            self._verified[prompt.slot] = self.texts.length(prompt.slot)
        return [run.draft(catch_up_ns, used_threads) for run in runs]

    def end(self, slot: int, tokens: Sequence[int]) -> None:
        """Keep the text in the cache: the next one in this slot, or in another, may begin like it."""

    def reset(self) -> None:
        """Forget every text."""
        self.texts.reset()
        self._verified = [0] * self._context.n_slots

    def close(self) -> None:
        """Free the draft model."""
        self._context.close()
        self.model.close()

    def _start(self, request: DraftRequest) -> _Run:
        """Drop of the last proposal what the verified text disagrees with; its last token is always left to decode."""
        slot, tokens = request.slot, request.tokens
        resident = self.texts.text(slot)
        limit = min(len(resident), len(tokens) - 1)
        agreed = min(self._verified[slot], limit)
        while agreed < limit and resident[agreed] == tokens[agreed]:
            agreed += 1
        self.texts.truncate(slot, agreed)
        k = min(request.k, self._context.n_ctx - len(tokens) + 1)
        return _Run(request, k, list(tokens[agreed:]))

    def _catch_up(self, runs: Sequence[_Run]) -> None:
        """Decode the text that was written while a request had no draft, all but the two tokens of any first pass."""
        self._decode_all([Piece(run.request.slot, run.undecoded[:-2], 0) for run in runs if len(run.undecoded) > 2])
        for run in runs:
            run.undecoded = run.undecoded[-2:]

    def _what_fits_beside(self, following: Sequence[Followed], room: int) -> list[Piece]:
        """Return the followed prompts' new tokens, those that ``room`` is too small for decoded already."""
        new = [Piece(p.slot, p.tokens[self.texts.length(p.slot) : p.length], 0) for p in following]
        new = [piece for piece in new if piece.tokens]
        if sum(len(piece.tokens) for piece in new) <= room:
            return new
        self._decode_all(new)
        return []

    def _decode_all(self, pieces: list[Piece]) -> None:
        while pieces:
            now, pieces = _split(pieces, self._context.n_batch)
            self.texts.decode(now)


@dataclass
class _Run:
    """One request's draft in the making."""

    request: DraftRequest
    k: int
    undecoded: list[int]
    proposed: list[int] = field(default_factory=list)
    distributions: list[Probabilities] = field(default_factory=list)
    complete: bool = False

    def choose(self, row: Logits) -> None:
        """Propose the next token by the draft model's logits for its place, or end the draft before it."""
        request = self.request
        if request.rules.active:
            request.rules.apply(row, self.proposed)
        # The stop hangs on what the place offers, never on which token was drawn for it: dropping a drawn token
        # because it is unlikely would make likely ones too frequent in the text.
        if request.p_min > 0.0 and _top_probability(row) < request.p_min:
            self.complete = True
            return
        if request.sampling.greedy:
            token = int(row.argmax())
        else:
            self.distributions.append(request.sampling.distribution(row))
            token = draw(self.distributions[-1], request.rng)
        self.proposed.append(token)
        self.undecoded = [token]
        self.complete = len(self.proposed) == self.k

    def draft(self, catch_up_ns: int, threads: int) -> Draft:
        distributions = None if self.request.sampling.greedy else tuple(self.distributions)
        return Draft(tuple(self.proposed), distributions, catch_up_ns, threads)


def _top_probability(row: Logits) -> float:
    """Return the softmax probability of the likeliest token."""
    return float(1.0 / np.exp(row - row.max()).sum(dtype=np.float64))


def _split(pieces: list[Piece], room: int) -> tuple[list[Piece], list[Piece]]:
    """Divide pieces without rows into as many of their first tokens as there is room for, and the rest."""
    now: list[Piece] = []
    for i, piece in enumerate(pieces):
        if len(piece.tokens) > room:
            cut = [Piece(piece.slot, piece.tokens[:room], 0)] if room else []
            return now + cut, [Piece(piece.slot, piece.tokens[room:], 0), *pieces[i + 1 :]]
        now.append(piece)
        room -= len(piece.tokens)
    return now, []
