"""The draft-and-verify rounds of a run as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Rounds:
    """Every logged round of a run, in order; the columns have the same length.

    Attributes
    ----------
    request
        Whose round it is: the place in the `Requests` that were read together with these.
    k, accepted
        Tokens drafted, and those of them that were kept.
    """

    request: npt.NDArray[np.int32]
    k: npt.NDArray[np.int16]
    accepted: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.request)

    @classmethod
    def none(cls) -> Self:
        """Return no rounds: what a run has whose server logs none."""
        return cls.joined(())

    @classmethod
    def joined(cls, parts: Sequence[Rounds]) -> Self:
        """Return the rounds of several parts, one after the other."""
        return cls(
            request=np.concatenate([np.empty(0, np.int32), *(part.request for part in parts)]),
            k=np.concatenate([np.empty(0, np.int16), *(part.k for part in parts)]),
            accepted=np.concatenate([np.empty(0, np.int16), *(part.accepted for part in parts)]),
        )

    def of_requests(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Return the rounds of the requests for which ``kept`` is true, still numbered by their places among all."""
        mine = kept[self.request]
        return type(self)(self.request[mine], self.k[mine], self.accepted[mine])
