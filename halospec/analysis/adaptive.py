"""How a mode moved its draft length over a trial."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from halospec.analysis.modes import fixed_length
from halospec.analysis.observation import Observation, Observations, by_block, by_mode
from halospec.analysis.value import Value

CONVERGENCE_RUN = 5
"""Equal draft lengths in a row that the original called convergence."""


class AdaptiveTrial(Value):
    """One trial of a mode that is not ``fixed_K``.

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


def adaptive_trials(observations: Observations, convergence_run: int = CONVERGENCE_RUN) -> tuple[AdaptiveTrial, ...]:
    """Describe each trial of each adaptive mode, failed steps included: their k was chosen too.

    Trials in which a rule inside the server chose k are left out; what it chose is not known here.
    """
    return tuple(
        _describe(mode, block, steps, convergence_run)
        for mode, seen in by_mode(observations).items()
        if fixed_length(mode) is None
        for block, trial in by_block(seen).items()
        if (steps := _known_lengths(trial))
    )


def draft_changes(lengths: Sequence[int]) -> int:
    """Count the draft lengths that differ from the one before."""
    return sum(before != after for before, after in pairwise(lengths))


def convergence_index(lengths: Sequence[int], run: int = CONVERGENCE_RUN) -> int | None:
    """Return the index that ends the first ``run`` equal draft lengths in a row; ``None`` if there is none."""
    in_a_row = 0
    for index, length in enumerate(lengths):
        in_a_row = in_a_row + 1 if index and lengths[index - 1] == length else 1
        if in_a_row == run:
            return index
    return None


def _known_lengths(trial: Sequence[Observation]) -> list[tuple[int, int]]:
    known = [(seen.step, seen.draft_length) for seen in trial if seen.draft_length is not None]
    return known if len(known) == len(trial) else []


def _describe(mode: str, block: int, steps: list[tuple[int, int]], run: int) -> AdaptiveTrial:
    lengths = [length for _, length in steps]
    end = convergence_index(lengths, run)
    return AdaptiveTrial(
        mode=mode,
        block=block,
        steps=len(steps),
        draft_changes=draft_changes(lengths),
        convergence_run=run,
        convergence_step=None if end is None else steps[end][0],
        lowest_draft_length=min(lengths),
        highest_draft_length=max(lengths),
        last_draft_length=lengths[-1],
    )
