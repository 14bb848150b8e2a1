"""Drafting with a smaller or coarser model of the same vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from halospec_server.drafters.protocol import Draft, TokenIds
from halospec_server.llama import Context, LlamaError, Model
from halospec_server.sampling import Probabilities, Sampling, draw


class ModelDrafter:
    """A second model that runs ahead of the target.

    Its cache holds a prefix of the verified text plus what it proposed last; ``propose`` first drops the part of that
    proposal which was not accepted, then catches up with the verified text (after full acceptance that is two tokens:
    its own last proposal, which it never decoded, and the target's).

    Parameters
    ----------
    context
        The draft model's own context; closed with the drafter.
    n_target_vocab
        Tokens in the target's vocabulary: none beyond it is proposed.
    """

    name = "model"

    def __init__(self, context: Context, n_target_vocab: int) -> None:
        self._context = context
        self._n_shared = min(context.model.n_vocab, n_target_vocab)
        self._verified = 0
        self._resident: list[int] = []

    @property
    def model(self) -> Model:
        """The draft model."""
        return self._context.model

    def begin(self, prompt: Sequence[int], cancelled: Callable[[], bool]) -> None:
        """Decode the prompt."""
        self._context.reset()
        self._resident = []
        self._verified = 0
        self._append(prompt, cancelled)

    def propose(
        self,
        tokens: Sequence[int],
        k: int,
        sampling: Sampling,
        rng: np.random.Generator,
        banned: TokenIds,
    ) -> Draft:
        """Draft up to ``k`` tokens, one pass each; fewer if the context is full."""
        self._drop_rejected(tokens)
        behind = tokens[self._context.length :]
        k = min(k, self._context.n_ctx - len(tokens) + 1)
        if k < 1:
            return Draft(())
        self._append(behind[:-2], lambda: False)
        banned = banned[banned < self._n_shared]
        proposed: list[int] = []
        distributions: list[Probabilities] = []
        undecoded = list(behind[-2:])
        for _ in range(k):
            rows = self._context.decode(undecoded, "last")
            if rows is None:
                raise LlamaError("The draft model gave no logits.")
            self._resident.extend(undecoded)
            row = rows[0, : self._n_shared]
            row[banned] = -np.inf
            if sampling.greedy:
                proposed.append(int(row.argmax()))
            else:
                distributions.append(sampling.distribution(row))
                proposed.append(draw(distributions[-1], rng))
            undecoded = proposed[-1:]
        self._verified = len(tokens)
        return Draft(tuple(proposed), tuple(distributions) if distributions else None)

    def close(self) -> None:
        """Free the draft model."""
        self._context.close()
        self.model.close()

    def _drop_rejected(self, tokens: Sequence[int]) -> None:
        """Keep of the last proposal what the verified text agrees with, and always leave the last token to decode."""
        agreed = min(self._verified, len(self._resident))
        limit = min(len(self._resident), len(tokens) - 1)
        while agreed < limit and self._resident[agreed] == tokens[agreed]:
            agreed += 1
        agreed = min(agreed, limit)
        self._context.truncate(agreed)
        del self._resident[agreed:]

    def _append(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> None:
        for start in range(0, len(tokens), self._context.n_batch):
            if cancelled():
                return
            chunk = tokens[start : start + self._context.n_batch]
            self._context.decode(chunk, "none")
            self._resident.extend(chunk)
