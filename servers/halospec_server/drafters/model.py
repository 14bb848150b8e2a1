"""Drafting with a smaller or coarser model of the same vocabulary."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from halospec.controllers.per_round import DraftPlace
from halospec_server.decoding.cached_texts import CachedTexts
from halospec_server.decoding.sampling import Probabilities, draw
from halospec_server.decoding.threads import fewest
from halospec_server.drafters.protocol import EVERYTHING, Draft, DraftRequest, Followed
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
        self._has_gaps = context.model.n_vocab < n_target_vocab
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

    @property
    def lessons(self) -> int:
        """None: every text is drafted for afresh."""
        return 0

    def propose(
        self, requests: Sequence[DraftRequest], following: Sequence[Followed], most_missed: int = EVERYTHING
    ) -> list[Draft]:
        """Draft for all requests in common passes, one for each place; prompts that are followed share the first.

        A request gets fewer tokens than it asked for where ``p_min`` or its stop ends its draft or its context is full,
        and none while the draft model is behind, or where the text holds a token that it does not know.
        """
        threads = fewest([request.threads for request in requests] + [prompt.threads for prompt in following])
        self._context.use_threads(threads)
        started_ns = time.perf_counter_ns()
        runs = [self._start(request) for request in requests]
        most_missed -= self._catch_up(runs, most_missed)
        running = [run for run in runs if run.k > 0]
        for run in running:
            run.begin()
        catch_up_ns = time.perf_counter_ns() - started_ns
        beside = self._what_fits_beside(following, most_missed, room=self._context.n_batch - 2 * len(running))
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
            self._verified[request.slot] = min(len(request.tokens), self.texts.length(request.slot))
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
        undecoded = self._known(tokens[agreed:])
        reaches_the_end = agreed + len(undecoded) == len(tokens)
        k = min(request.k, self._context.n_ctx - len(tokens) + 1) if reaches_the_end else 0
        return _Run(request, k, undecoded)

    def _known(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens up to the first that the draft model's vocabulary lacks; llama.cpp refuses such a one."""
        if not self._has_gaps or max(tokens, default=0) < self.model.n_vocab:
            return list(tokens)
        return list(itertools.takewhile(lambda token: token < self.model.n_vocab, tokens))

    def _catch_up(self, runs: Sequence[_Run], most: int) -> int:
        """Decode text that was written while there was no draft, all but the two tokens of any first pass.

        Returns
        -------
        How many tokens that were. Who is further behind than ``most`` allows draws nearer, but gets no draft now.
        """
        missed: list[Piece] = []
        left = most
        for run in runs:
            behind = len(run.undecoded) - 2
            if behind <= 0 or run.request.k == 0:
                continue
            if behind > left:
                run.k = 0
            if min(behind, left) > 0:
                missed.append(Piece(run.request.slot, run.undecoded[: min(behind, left)], 0))
                left -= len(missed[-1].tokens)
            run.undecoded = run.undecoded[-2:]
        self._decode_all(missed)
        return most - left

    def _what_fits_beside(self, following: Sequence[Followed], most: int, room: int) -> list[Piece]:
        """Return the followed prompts' new tokens, at most ``most``; what there is no room for is decoded already."""
        new: list[Piece] = []
        for prompt in following:
            held = self.texts.length(prompt.slot)
            tokens = self._known(prompt.tokens[held : min(prompt.length, held + most)])
            if tokens:
                new.append(Piece(prompt.slot, tokens, 0))
                most -= len(tokens)
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

    def begin(self) -> None:
        """Let the stop know."""
        if self.request.stop is not None:
            self.request.stop.begin()

    def choose(self, row: Logits) -> None:
        """Propose the next token by the draft model's logits for its place, or end the draft before it."""
        request = self.request
        if request.rules.active:
            request.rules.apply(row, self.proposed)
        if self._ends_before(row):
            self.complete = True
            return
        if request.sampling.greedy:
            token = int(row.argmax())
        else:
            try:
                distribution = request.sampling.distribution(row)
            except ValueError:  # no finite logit: the draft model has nothing to say here, and the target decides
                self.complete = True
                return
            self.distributions.append(distribution)
            token = draw(distribution, request.rng)
        self.proposed.append(token)
        self.undecoded = [token]
        self.complete = len(self.proposed) == self.k

    def _ends_before(self, row: Logits) -> bool:
        """Tell whether the draft ends before the place that a row, shaped by the request's rules, is for.

        That hangs on what the place offers, never on which token is drawn for it: dropping a drawn token because it is
        unlikely would make likely ones too frequent in the text.
        """
        stop, p_min = self.request.stop, self.request.p_min
        if stop is None:
            return p_min > 0.0 and _top_probability(row) < p_min
        place = place_of(row)
        return place is None or place.top_probability < p_min or stop.ends_before(place)

    def draft(self, catch_up_ns: int, threads: int) -> Draft:
        distributions = None if self.request.sampling.greedy else tuple(self.distributions)
        return Draft(tuple(self.proposed), distributions, catch_up_ns, threads)


def _top_probability(row: Logits) -> float:
    """Return the softmax probability of the likeliest token."""
    return float(1.0 / np.exp(row - row.max()).sum(dtype=np.float64))


def place_of(row: Logits) -> DraftPlace | None:
    """Return what a place offers by its logits, at temperature 1; None if no token can be drawn there.

    Parameters
    ----------
    row
        Shape (n_vocab,); tokens that are banned have −∞.
    """
    highest = row.max()
    if not np.isfinite(highest):
        return None
    # Below this a weight is 0 in single precision, and 0 · −∞ would be no number.
    shifted = np.maximum(row - highest, np.float32(-200.0))
    weights = np.exp(shifted)
    mass = float(weights.sum(dtype=np.float64))
    # H = −Σ p ln p with p = w / Σw and ln w = shifted.
    entropy = float(np.log(mass)) - float(np.dot(weights, shifted)) / mass
    return DraftPlace(top_probability=1.0 / mass, entropy=max(entropy, 0.0))


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
