"""Going on, block by block, until a run's comparisons are as narrow as was asked for, or its time is up."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.analysis.precision import Standing
from halospec.records.schema import Phase

FEWEST_PILOT_BLOCKS = 4
"""With fewer, the number of blocks that follows is a multiple of what would do."""


@dataclass(frozen=True)
class Precision:
    """What intervals are wanted.

    Attributes
    ----------
    within
        The share to either side that an interval may reach.
    pilot_blocks
        The run's first blocks, whose spread decides how many there will be.
    phases
        Those whose comparisons count; all if empty.
    """

    within: float
    pilot_blocks: int
    reference: str | None = None
    phases: tuple[Phase, ...] = ()


def standing_sentence(now: Standing, wanted: Precision) -> str:
    """Say how narrow the intervals are."""
    widest = f"the widest interval ({now.mode} in {now.phase.value}) reaches {now.half_width_percent:.1f} % up"
    asked = f"{100 * wanted.within:g} % were asked for"
    if now.is_reached:
        return f"After {now.blocks} blocks {widest}; {asked}, so the run ends."
    return f"After {now.blocks} blocks {widest}; {asked}, which takes about {now.blocks_needed:,} blocks."
