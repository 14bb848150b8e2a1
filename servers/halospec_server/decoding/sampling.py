"""From a row of logits to the distribution a token is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halospec_server.llama import Logits

TokenIds = NDArray[np.int64]
Probabilities = NDArray[np.float32]

_LOWEST_TEMPERATURE = float(np.finfo(np.float32).tiny)
_BLOCK = 256


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes
    ----------
    temperature
        Divides the logits; 0 always takes the likeliest token.
    top_p
        Mass of the nucleus: the fewest likeliest tokens that together reach it. 1 keeps all.
    top_k
        Tokens kept at most, the likeliest ones. 0 keeps all.
    min_p
        Tokens less likely than this share of the likeliest one's probability are dropped. 0 keeps all.
    presence_penalty, frequency_penalty, logit_bias
        What `LogitRules` does to the logits beforehand.
    """

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0.0

    def distribution(self, logits: Logits) -> Probabilities:
        """Return the probabilities that this setting gives to a row of logits.

        Temperature comes first, then ``top_k``, ``top_p`` (of what ``top_k`` left) and ``min_p``. Of equally likely
        tokens those with lower ids are kept first.

        Parameters
        ----------
        logits
            Shape (n_vocab,), shaped by `LogitRules` already; not changed.

        Returns
        -------
        Probabilities
            Shape (n_vocab,), a new array.

        Raises
        ------
        ValueError
            If the highest logit is not a finite number: a model's fault, or every token banned.
        """
        weights = _softmax_weights(logits, self.temperature)
        kept = self._kept(weights)
        if len(kept) < len(weights):
            _keep_largest(weights, len(kept), kept.min())
        weights /= float(weights.sum(dtype=np.float64))
        return weights

    def _kept(self, weights: Probabilities) -> Probabilities:
        """Return the weights of the tokens that are kept, in any order."""
        kept = weights
        if 0 < self.top_k < len(kept):
            kept = np.partition(kept, len(kept) - self.top_k)[-self.top_k :]
        if self.top_p < 1.0:
            kept = _nucleus(kept, self.top_p)
        if self.min_p > 0.0:
            kept = np.compress(kept >= np.float32(self.min_p), kept)  # the largest weight is 1
        return kept


def _softmax_weights(logits: Logits, temperature: float) -> Probabilities:
    """Return exp(logits / temperature), scaled so that the largest weight is 1."""
    highest = logits.max()
    if not np.isfinite(highest):
        raise ValueError(f"the highest logit is {highest}, so no token can be drawn; check the model file")
    weights: Probabilities = logits - highest
    with np.errstate(over="ignore"):  # next to no temperature: −inf, and so probability 0, is right
        weights /= np.float32(max(temperature, _LOWEST_TEMPERATURE))
    return np.exp(weights, out=weights)


def _nucleus(weights: Probabilities, mass: float) -> Probabilities:
    """Return the fewest largest weights whose share of the sum reaches ``mass`` (Holtzman et al. 2020)."""
    wanted = mass * weights.sum(dtype=np.float64)
    heavy = weights
    # Only few need to be sorted: of n weights, those below spare / n weigh less than what can be spared, together.
    for _ in range(3):
        spare = heavy.sum(dtype=np.float64) - wanted
        heavy = np.compress(heavy >= np.float32(spare / len(heavy)), heavy)
    descending = np.sort(heavy)[::-1]
    reached = np.cumsum(descending.astype(np.float64))
    return descending[: int(np.searchsorted(reached, wanted)) + 1]


def _keep_largest(weights: Probabilities, n: int, smallest: np.float32) -> None:
    """Set all weights but the ``n`` largest, of which ``smallest`` is the least, to 0."""
    kept = weights >= smallest
    excess = np.count_nonzero(kept) - n
    if excess:
        kept[np.flatnonzero(weights == smallest)[-excess:]] = False
    weights *= kept


def draw(weights: NDArray[np.floating], rng: np.random.Generator) -> int:
    """Draw a token in proportion to weights that need not sum to 1; one of weight 0 is never drawn."""
    # First a block, then a token of it: a running sum over a whole vocabulary takes several times as long.
    blocks = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK), dtype=np.float64)
    block, rest = _locate(blocks, rng.random() * blocks.sum())
    start = block * _BLOCK
    return start + _locate(weights[start : start + _BLOCK], rest)[0]


def _locate(weights: NDArray[np.floating], point: float) -> tuple[int, float]:
    """Return which of the weights a point on their running sum falls to, never one of 0, and how far into it."""
    before = np.zeros(len(weights) + 1)
    np.cumsum(weights, out=before[1:])
    i = int(np.searchsorted(before, point, side="right")) - 1
    i = min(i, int(np.flatnonzero(weights)[-1]))  # rounding may put the point at the very end
    return i, point - before[i]
