"""A draft model that is watched while it drafts, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from halospec.controllers.per_round import DraftStop
from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import DraftRequest, Followed
from halospec_server.llama import Context, Logits, Model, Piece
from tiny_engines import GREEDY, prompt_of

N_CTX, N_SLOTS, N_BATCH = 256, 3, 24
ROUNDING = 1e-4
"""How far logits may lie apart that passes of different widths gave."""
PROMPTS = (prompt_of("ka ti mo"), prompt_of("so"), prompt_of("ta ki ta ki sa"))


class Watched(Context):
    """A context that remembers how wide its passes were."""

    widths: list[int]

    def decode(self, pieces: Sequence[Piece]) -> Logits:
        """Note the tokens of a pass, and run it."""
        self.widths.append(sum(len(piece.tokens) for piece in pieces))
        return super().decode(pieces)


def open_watched(path: Path) -> Watched:
    """Load a draft model; passes are narrow, so that many things do not fit into one."""
    context = Watched(
        Model(path),
        n_ctx=N_CTX,
        n_slots=N_SLOTS,
        n_threads=1,
        n_batch=N_BATCH,
        max_outputs=N_SLOTS,
        attention="exact",
    )
    context.widths = []
    return context


def rows_after(alone: Context, text: Sequence[int], proposed: Sequence[int]) -> Logits:
    """Return the logits that each proposed token was to be chosen by; shape (len(proposed), n_vocab)."""
    alone.reset()
    return alone.decode([Piece(0, (*text, *proposed), len(proposed) + 1)])[:-1].copy()


def request(
    slot: int,
    tokens: Sequence[int],
    k: int,
    sampling: Sampling = GREEDY,
    *,
    banned: Sequence[int] = (),
    p_min: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
    stop: DraftStop | None = None,
) -> DraftRequest:
    """Ask for a draft, by default a greedy one that nothing restrains."""
    rules = LogitRules(sampling, np.array(banned, dtype=np.int64))
    return DraftRequest(slot, tokens, k, sampling, rules, np.random.default_rng(seed), p_min, threads, stop)


def propose(drafter: ModelDrafter, *requests: DraftRequest) -> list[tuple[int, ...]]:
    """Return what is proposed to each request."""
    return [draft.tokens for draft in drafter.propose(requests, [])]


def read(drafter: ModelDrafter, *prompts: Sequence[int]) -> list[list[int]]:
    """Let a text begin in each of the first slots, and the drafter follow it to its end."""
    for slot, prompt in enumerate(prompts):
        drafter.begin(slot, prompt, reuse=True)
    drafter.propose([], [Followed(slot, prompt, len(prompt)) for slot, prompt in enumerate(prompts)])
    return [list(prompt) for prompt in prompts]
