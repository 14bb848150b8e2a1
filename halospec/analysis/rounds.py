"""The draft-and-verify rounds of a run as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Shorts = npt.NDArray[np.int16]

NOT_SAID = -1


@dataclass(frozen=True, eq=False)
class Rounds:
    """Every logged round of a run, in order; the columns have the same length.

    Attributes
    ----------
    request
        Whose round it is: the place in the `Requests` that were read together with these.
    k, accepted
        Tokens drafted, and those of them that were kept.
    limit, threads, draft_threads
        The draft length in force, and the threads of the target's pass and of the draft model's; `NOT_SAID` where the
        server does not say.
    """

    request: npt.NDArray[np.int32]
    k: Shorts
    accepted: Shorts
    limit: Shorts
    threads: Shorts
    draft_threads: Shorts

    def __len__(self) -> int:
        return len(self.request)

    @classmethod
    def none(cls) -> Self:
        """Return no rounds: what a run has whose server logs none."""
        return cls.joined(())

    @classmethod
    def joined(cls, parts: Sequence[Rounds]) -> Self:
        """Return the rounds of several parts, one after the other."""
        columns: dict[str, Any] = {
            name: np.concatenate([np.empty(0, np.int32 if name == "request" else np.int16), *found])
            for name in _COLUMNS
            for found in [[getattr(part, name) for part in parts]]
        }
        return cls(**columns)

    def taken(self, places: npt.NDArray[Any]) -> Self:
        """Return the rounds at these places, or those for which a flag is set."""
        columns: dict[str, Any] = {name: getattr(self, name)[places] for name in _COLUMNS}
        return type(self)(**columns)

    def of_requests(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Return the rounds of the requests for which ``kept`` is true, still numbered by their places among all."""
        return self.taken(kept[self.request])

    def mean_limits(self, requests: int) -> npt.NDArray[np.float64]:
        """Return the mean draft length in force in each request; NaN where it is not said of every round."""
        rounds = np.bincount(self.request, minlength=requests)
        sums = np.bincount(self.request, weights=self.limit, minlength=requests)
        silent = np.bincount(self.request, weights=self.limit == NOT_SAID, minlength=requests) > 0
        return np.where((rounds > 0) & ~silent, sums / np.maximum(rounds, 1), np.nan)


_COLUMNS = tuple(field.name for field in fields(Rounds))
