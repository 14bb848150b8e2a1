"""How a mode moved its draft length over a trial."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halospec.analysis.modes import adapts
from halospec.analysis.requests import Requests
from halospec.analysis.value import Value

CONVERGENCE_RUN = 5
"""Equal draft lengths in a row that the original called convergence."""


class AdaptiveTrial(Value):
    """One trial of a mode that may change k from request to request.

    Attributes
    ----------
    draft_changes
        Steps whose k differs from the one before.
    convergence_step
        The step that ends the first ``convergence_run`` equal k in a row; ``None`` if there is none. A mode that
        sits at the edge of its range "converges" too.
    """

    mode: str
    block: int
    steps: int
    draft_changes: int
    convergence_run: int
    convergence_step: int | None
    lowest_draft_length: int
    highest_draft_length: int
    last_draft_length: int


def adaptive_trials(requests: Requests, convergence_run: int = CONVERGENCE_RUN) -> tuple[AdaptiveTrial, ...]:
    """Describe each trial of each adaptive mode, failed steps included: their k was chosen too.

    Trials in which a rule inside the server chose k are left out: it did so for every round.
    """
    adaptive = [index for index, mode in enumerate(requests.modes) if adapts(mode)]
    return tuple(
        _describe(mode, block, trial, convergence_run)
        for mode, block, trial in requests.where(np.isin(requests.mode, adaptive)).by_trial()
        if not np.isnan(trial.draft_length).any()
    )


def draft_changes(lengths: npt.ArrayLike) -> int:
    """Count the draft lengths that differ from the one before."""
    return int(np.count_nonzero(np.diff(np.asarray(lengths))))


def convergence_index(lengths: npt.ArrayLike, run: int = CONVERGENCE_RUN) -> int | None:
    """Return the index that ends the first ``run`` equal draft lengths in a row; ``None`` if there is none."""
    values = np.asarray(lengths)
    places = np.arange(len(values))
    is_change = np.append(True, np.diff(values) != 0)[: len(values)]
    in_a_row = places - np.maximum.accumulate(np.where(is_change, places, 0)) + 1
    reached = np.flatnonzero(in_a_row == run)
    return int(reached[0]) if reached.size else None


def _describe(mode: str, block: int, trial: Requests, run: int) -> AdaptiveTrial:
    lengths = trial.draft_length
    end = convergence_index(lengths, run)
    return AdaptiveTrial(
        mode=mode,
        block=block,
        steps=len(trial),
        draft_changes=draft_changes(lengths),
        convergence_run=run,
        convergence_step=None if end is None else int(trial.step[end]),
        lowest_draft_length=int(lengths.min()),
        highest_draft_length=int(lengths.max()),
        last_draft_length=int(lengths[-1]),
    )
