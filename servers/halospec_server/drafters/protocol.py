"""What a drafter is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from halospec_server.sampling import Probabilities, Sampling

TokenIds = NDArray[np.int64]


@dataclass(frozen=True)
class Draft:
    """Tokens proposed in one round.

    Attributes
    ----------
    distributions
        The distribution each token was drawn from, for rejection sampling; None where the tokens were not drawn but
        are simply proposed (greedy drafting, prompt lookup): a point mass on each.
    """

    tokens: tuple[int, ...]
    distributions: tuple[Probabilities, ...] | None = None


class Drafter(Protocol):
    """Proposes the next tokens of one sequence."""

    @property
    def name(self) -> str:
        """The word for it in responses and on the command line."""
        ...

    def begin(self, prompt: Sequence[int], cancelled: Callable[[], bool]) -> None:
        """Take in a new sequence; return early once it is cancelled."""
        ...

    def propose(
        self,
        tokens: Sequence[int],
        k: int,
        sampling: Sampling,
        rng: np.random.Generator,
        banned: TokenIds,
    ) -> Draft:
        """Propose up to ``k`` tokens to follow ``tokens``, which only ever grows within a sequence.

        Tokens in ``banned`` are never proposed.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...
