"""What two rows of logits for the same place say about drafting there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halospec_server.llama import Logits


class Untraceable(Exception):
    """A text, or a pair, that cannot be traced; the message says why."""


@dataclass(frozen=True)
class Opinion:
    """The draft's view of a place, beside the target's; probabilities at temperature 1.

    Attributes
    ----------
    token
        What the draft would propose.
    top_probability
        How likely it thinks that.
    entropy
        Of its distribution, in nats.
    overlap
        Sum over the vocabulary of min(p, q): the probability that rejection sampling keeps a token drawn from the
        draft's distribution (Leviathan, Kalman and Matias 2023, arXiv 2211.17192, corollary 3.6).
    """

    token: int
    top_probability: float
    entropy: float
    overlap: float


def opinion(target: Logits, draft: Logits) -> Opinion:
    """Compare a row of each model.

    Parameters
    ----------
    target, draft
        Shape (n_vocab,); where one vocabulary is longer, nothing beyond the other's is ever proposed.

    Raises
    ------
    Untraceable
        If the highest logit of either is not a finite number.
    """
    draft = draft[: len(target)]
    p, q = _softmax(target), _softmax(draft)
    likeliest = int(draft.argmax())
    present = q[q > 0.0]
    return Opinion(
        token=likeliest,
        top_probability=float(q[likeliest]),
        entropy=max(0.0, float(-(present * np.log(present)).sum())),
        overlap=min(1.0, float(np.minimum(p[: len(q)], q).sum())),
    )


def _softmax(row: Logits) -> NDArray[np.float64]:
    highest = float(row.max())
    if not np.isfinite(highest):
        raise Untraceable(f"the highest logit is {highest}; check the model file")
    weights = np.exp(row.astype(np.float64) - highest)
    return np.asarray(weights / weights.sum(), dtype=np.float64)
