"""How narrow the comparisons of a run are, and how many blocks would make them as narrow as was asked for.

Whoever looks at an interval after every block and stops when it is narrow stops too early too often, since a spread
that happens to be small looks like precision. So the number of blocks follows from the spread of the *pilot*, the run's
first blocks, and the intervals are at least as wide as that spread makes them (Stein 1945; for several at once Healy
1956): they hold in spite of having looked. Where later blocks scatter more than the pilot's, the ordinary interval is
the wider one; it counts then, and the run goes on. What is looked at is widths alone and never which mode is ahead.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from halospec.analysis.cells import Cells, Metric, cells_of
from halospec.analysis.modes import reference_among
from halospec.analysis.requests import Requests
from halospec.inference.comparisons import compare_to
from halospec.inference.log_ratios import Contrast, block_log_ratios
from halospec.inference.two_stage import pilot_of
from halospec.inference.types import CONFIDENCE, Floats, LogRatio
from halospec.records.schema import Phase

PILOT_BLOCKS = 8
"""A run that is to be precise begins with so many: of fewer, the spread is known too badly to be content with."""


@dataclass(frozen=True)
class Standing:
    """How far a run has come.

    Attributes
    ----------
    blocks
        That it has.
    mode, phase
        Of the comparison with the widest interval.
    half_width_percent
        How far that reaches upwards from its middle.
    blocks_needed
        In all; not above ``blocks`` where nothing is wider than it was to be.
    """

    blocks: int
    mode: str
    phase: Phase
    half_width_percent: float
    blocks_needed: int

    @property
    def is_reached(self) -> bool:
        """Whether every interval asked for is as narrow as it was to be."""
        return self.blocks_needed <= self.blocks


def standing(
    requests: Requests,
    *,
    within: float,
    pilot_blocks: int,
    reference: str | None = None,
    phases: Collection[Phase] = (),
    confidence: float = CONFIDENCE,
    seed: int = 1,
) -> Standing | None:
    """Say how narrow the comparisons with the reference are, and what it takes.

    Parameters
    ----------
    within
        The share to either side that an interval may reach, such as 0.03.
    phases
        Those that count; all if empty.

    Returns
    -------
    Standing or None
        None where no two blocks hold a comparison.
    """
    cells = cells_of(requests, Metric.TPOT)
    chosen = reference_among(cells.modes, reference)
    if cells.is_empty or chosen is None:
        return None
    places = contrasts_with(cells, chosen)
    stated = compare_to(cells.sums, cells.modes.index(chosen), confidence=confidence, seed=seed)
    widths = np.fmax(_pilot_half_widths(requests, places, pilot_blocks, confidence, seed), _half_widths(stated, places))
    counted = np.array([not phases or cells.phases[place.stratum] in phases for place in places], dtype=np.bool_)
    counted &= ~np.isnan(widths)
    if not counted.any():
        return None
    widest = int(np.argmax(np.where(counted, widths, -1.0)))
    target = math.log1p(within)
    blocks = len(requests.measured.successes.blocks_here)
    # The pilot's rule for one comparison, and the same scaling where later blocks scatter more.
    needed = blocks * (float(widths[widest]) / target) ** 2
    return Standing(
        blocks=blocks,
        mode=cells.modes[places[widest].arm],
        phase=cells.phases[places[widest].stratum],
        half_width_percent=100 * math.expm1(float(widths[widest])),
        blocks_needed=max(2, math.ceil(needed * (1 - 1e-9))),
    )


def widened(
    stated: list[list[LogRatio | None]],
    requests: Requests,
    cells: Cells,
    reference: str,
    pilot_blocks: int,
    confidence: float,
    seed: int,
) -> list[list[LogRatio | None]]:
    """Return comparisons with the reference, none narrower than the pilot's spread makes them.

    Parameters
    ----------
    cells
        Of the same requests, which `stated` was computed from.
    """
    places = contrasts_with(cells, reference)
    half_widths = _pilot_half_widths(requests, places, pilot_blocks, confidence, seed)
    table = [list(row) for row in stated]
    for place, half_width in zip(places, half_widths, strict=True):
        found = table[place.stratum][place.arm]
        if found is None or found.low is None or found.high is None or np.isnan(half_width):
            continue
        if half_width > (found.high - found.low) / 2:
            low, high = found.value - float(half_width), found.value + float(half_width)
            table[place.stratum][place.arm] = replace(found, low=low, high=high)
    return table


def contrasts_with(cells: Cells, reference: str) -> list[Contrast]:
    """Return the comparisons of every other mode with the reference in every phase."""
    arm = cells.modes.index(reference)
    return [
        Contrast(stratum, other, arm)
        for stratum in range(len(cells.phases))
        for other in range(len(cells.modes))
        if other != arm
    ]


def _pilot_half_widths(
    requests: Requests, places: Sequence[Contrast], pilot_blocks: int, confidence: float, seed: int
) -> Floats:
    # Cells that several blocks share would mix the pilot's blocks with those that came after it.
    ratios = block_log_ratios(cells_of(requests, Metric.TPOT, most_blocks=None).sums, places)
    return pilot_of(ratios[:pilot_blocks], confidence=confidence, seed=seed).half_widths(ratios)


def _half_widths(stated: list[list[LogRatio | None]], places: Sequence[Contrast]) -> Floats:
    found = [stated[place.stratum][place.arm] for place in places]
    return np.array(
        [np.nan if one is None or one.low is None or one.high is None else (one.high - one.low) / 2 for one in found]
    )
