"""Log probabilities of a token and of the likeliest ones in its place."""

from __future__ import annotations

import numpy as np

from halospec_server.decoding.generation import TokenLogprob
from halospec_server.llama import Logits


def logprob_of(row: Logits, token: int, top: int) -> TokenLogprob:
    """Return a token's log probability in the softmax of a row, and those of the ``top`` likeliest tokens.

    Parameters
    ----------
    row
        Logits as they left the model, before `LogitRules`, of shape (n_vocab,); not changed.
    top
        Alternatives to report, likeliest first and of equally likely ones the lower id first; 0 for none.
    """
    highest = row.max()
    log_sum = float(np.log(np.exp(row - highest).sum(dtype=np.float64)))

    def logprob(candidate: int) -> float:
        return float(row[candidate]) - float(highest) - log_sum

    return TokenLogprob(token, logprob(token), tuple((t, logprob(t)) for t in _likeliest(row, top)))


def _likeliest(row: Logits, n: int) -> list[int]:
    """Return the ``n`` tokens of the highest logits, in descending order."""
    n = min(n, len(row))
    if n == 0:
        return []
    lowest_kept = np.partition(row, len(row) - n)[len(row) - n]
    candidates = np.flatnonzero(row >= lowest_kept)
    order = np.argsort(-row[candidates], kind="stable")
    return [int(token) for token in candidates[order[:n]]]
