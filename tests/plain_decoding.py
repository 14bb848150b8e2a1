"""The target alone, one token after another in a context of its own: what every text of the engine is held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from halospec_server.llama import Attention, Context, Logits, Model, Piece

NEAR_TIE = 1e-4
"""Two logits closer than this may change places when a pass or the cache is wider: rounding, not a fault."""


class PlainDecoder:
    """Greedy decoding as it stands in a textbook, and the logits after any text."""

    def __init__(self, model: Model, n_ctx: int = 512, attention: Attention = "exact") -> None:
        self._context = Context(model, n_ctx=n_ctx, n_threads=1, max_outputs=n_ctx, n_batch=n_ctx, attention=attention)
        self._end_tokens = model.end_tokens

    def close(self) -> None:
        """Free the context; the model is the caller's."""
        self._context.close()

    def logits_after(self, text: Sequence[int]) -> Logits:
        """Return the logits, shape (n_vocab,), of what follows a text."""
        self._context.reset()
        return self._context.decode([Piece(0, text, 1)])[0].copy()

    def write(self, prompt: Sequence[int], max_tokens: int, *, ignore_eos: bool) -> tuple[int, ...]:
        """Write a text of ``max_tokens``, or up to its end."""
        self._context.reset()
        row = self._context.decode([Piece(0, prompt, 1)])[0]
        written: list[int] = []
        while True:
            if ignore_eos:
                row[self._end_tokens] = -np.inf
            written.append(int(row.argmax()))
            if len(written) == max_tokens or written[-1] in self._end_tokens:
                return tuple(written)
            row = self._context.decode([Piece(0, written[-1:], 1)])[0]

    def could_write(self, prompt: Sequence[int], written: Sequence[int], *, ignore_eos: bool) -> bool:
        """Whether every token of a text is the likeliest one there, or as good as that."""
        text = (*prompt, *written)
        self._context.reset()
        rows = self._context.decode([Piece(0, text, len(written) + 1)])[:-1]
        if ignore_eos:
            rows[:, self._end_tokens] = -np.inf
        chosen = rows[np.arange(len(written)), np.asarray(written, dtype=np.int64)]
        return bool(np.all(rows.max(axis=1) - chosen < NEAR_TIE))
