"""From a row of logits to the distribution a token is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halospec_server.llama import Logits

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: temperature first, then the nucleus of mass ``top_p``."""

    temperature: float
    top_p: float = 1.0

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature == 0.0

    def distribution(self, logits: Logits) -> Probabilities:
        """Return the probabilities, shape (n_vocab,), that this setting gives to a row of logits."""
        shifted = logits.astype(np.float64) - logits.max()
        with np.errstate(over="ignore"):  # next to no temperature: −inf, and so probability 0, is right
            weights = np.exp(shifted / self.temperature)
        probabilities: Probabilities = weights / weights.sum()
        return probabilities if self.top_p >= 1.0 else _nucleus(probabilities, self.top_p)


def _nucleus(probabilities: Probabilities, mass: float) -> Probabilities:
    """Keep the fewest most likely tokens whose probabilities reach ``mass`` (Holtzman et al. 2020)."""
    order = np.argsort(-probabilities, kind="stable")
    reached = np.cumsum(probabilities[order])
    kept = order[: int(np.searchsorted(reached, mass)) + 1]
    result = np.zeros_like(probabilities)
    result[kept] = probabilities[kept]
    result /= result.sum()
    return result


def draw(weights: Probabilities, rng: np.random.Generator) -> int:
    """Draw a token in proportion to weights that need not sum to 1; one of weight 0 is never drawn."""
    cumulative = np.cumsum(weights)
    point = rng.random() * cumulative[-1]
    return min(int(np.searchsorted(cumulative, point, side="right")), int(np.flatnonzero(weights)[-1]))
