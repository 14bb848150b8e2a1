"""Whether modes differ in how often they kept their objectives: by blocks, since requests of one block are alike."""

from __future__ import annotations

import numpy as np

from halospec.analysis.requests import PHASES, Flags, Floats, Requests
from halospec.analysis.value import Value
from halospec.inference.holm import holm
from halospec.inference.sign_flips import FEWEST_PAIRS, shift_of
from halospec.records.schema import Phase

_MOST_PAIRS = 50
"""More blocks are summed in this many groups of neighbours, which leaves the test valid and bounds what it costs."""


class PairedDifference(Value):
    """A mode's attainment minus the reference's, over the blocks in which both have judged requests.

    Attributes
    ----------
    mean
        Mean of the blocks' differences, between -1 and 1.
    p_value
        Two-sided, by flipping the signs of the blocks' differences; ``None`` where there are too few blocks for any
        difference to be found.
    p_adjusted
        After Holm (1979), over all modes and phases of the run that have a p-value.
    """

    mean: float
    blocks: int
    p_value: float | None
    p_adjusted: float | None


def attainment_differences(
    requests: Requests, met: Flags, *, reference: str, seed: int
) -> dict[tuple[str, Phase], PairedDifference]:
    """Compare each mode with the reference, phase by phase, where a block holds both.

    The test is exact where the order of the modes within a block was drawn by lot, as in every plan but the original's.
    """
    pairs = _paired(requests, met, reference)
    tested = [cell for cell, paired in pairs.items() if len(paired) >= FEWEST_PAIRS]
    p_values = [shift_of(_grouped(pairs[cell]), seed).p_value for cell in tested]
    adjusted = dict(zip(tested, zip(p_values, holm(p_values), strict=True), strict=True))
    return {
        cell: PairedDifference(
            mean=float(paired.mean()),
            blocks=len(paired),
            p_value=adjusted[cell][0] if cell in adjusted else None,
            p_adjusted=adjusted[cell][1] if cell in adjusted else None,
        )
        for cell, paired in pairs.items()
    }


def _paired(requests: Requests, met: Flags, reference: str) -> dict[tuple[str, Phase], Floats]:
    """Return each mode's attainment minus the reference's in each block that holds both."""
    if reference not in requests.modes:
        return {}
    shares = _shares(requests, met)
    differences = shares - shares[requests.modes.index(reference)]
    pairs = {}
    for mode in requests.modes_here:
        for phase in requests.phases_here:
            of_blocks = differences[requests.modes.index(mode), PHASES.index(phase)]
            held = of_blocks[np.isfinite(of_blocks)]
            if mode != reference and len(held):
                pairs[mode, phase] = held
    return pairs


def _shares(requests: Requests, met: Flags) -> Floats:
    """Return attainment by mode, phase and block; NaN where there are no requests."""
    blocks, block = np.unique(requests.block, return_inverse=True)
    shape = (len(requests.modes), len(PHASES), len(blocks))
    cell = (requests.mode * shape[1] + requests.phase) * shape[2] + block
    size = int(np.prod(shape))
    count = np.bincount(cell, minlength=size).reshape(shape)
    kept = np.bincount(cell, weights=met.astype(np.float64), minlength=size).reshape(shape)
    shares: Floats = np.divide(kept, count, out=np.full(shape, np.nan), where=count > 0)
    return shares


def _grouped(differences: Floats) -> list[float]:
    groups = np.array_split(differences, min(len(differences), _MOST_PAIRS))
    return [float(group.sum()) for group in groups]
