"""What a policy is held against in hindsight: the best fixed draft length, and the best one for each kind of segment.

Both are chosen by mean time over the seeds. With l(t) the time of token t, regret per token is the mean over a
scenario's tokens of l under the policy less l under the reference (notation of Bubeck & Cesa-Bianchi 2012, "Regret
analysis of stochastic and nonstochastic multi-armed bandit problems"). Against the best fixed length it may be
negative: a rule that follows the machine can beat every constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.simulate.bins import Floats, Ints


@dataclass(frozen=True, eq=False)
class Hindsight:
    """The fixed draft lengths that would have been best. Of equal ones the shortest is taken.

    Attributes
    ----------
    best_fixed
        One for the whole scenario.
    by_kind
        One for each kind of segment: what the phase oracle uses.
    best_quiet, best_under_load
        One for all stretches without load, and for all with; ``None`` where there are none.
    """

    best_fixed: int
    by_kind: tuple[int, ...]
    best_quiet: int | None
    best_under_load: int | None


def in_hindsight(fixed_ms: Floats, kind: Ints, under_load: npt.NDArray[np.bool_]) -> Hindsight:
    """Return the best fixed lengths.

    Parameters
    ----------
    fixed_ms
        Times with fixed k = 0, 1, …: shape (lengths, seeds, stretches).
    kind, under_load
        Of each stretch.
    """
    mean_ms = fixed_ms.mean(axis=1)

    def best(chosen: npt.NDArray[np.bool_]) -> int | None:
        return int(mean_ms[:, chosen].sum(axis=1).argmin()) if chosen.any() else None

    return Hindsight(
        best_fixed=int(mean_ms.sum(axis=1).argmin()),
        by_kind=tuple(int(mean_ms[:, kind == one].sum(axis=1).argmin()) for one in range(int(kind.max()) + 1)),
        best_quiet=best(~under_load),
        best_under_load=best(under_load),
    )


def oracle_ms(fixed_ms: Floats, kind: Ints, hindsight: Hindsight) -> Floats:
    """Return the phase oracle's times, shape (seeds, stretches): in each stretch those of its kind's best length."""
    lengths = np.array(hindsight.by_kind)[kind]
    return np.asarray(fixed_ms[lengths, :, np.arange(len(kind))].T)
