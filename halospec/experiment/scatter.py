"""How far a comparison's results scatter from block to block: what decides how many blocks an answer takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from halospec.analysis.cells import Metric, cells_of
from halospec.analysis.modes import reference_among
from halospec.analysis.requests import Floats, Requests
from halospec.inference.log_ratios import Contrast, block_log_ratios
from halospec.inference.power import block_sd
from halospec.records.schema import MEASURED_PHASES, Phase

_FEWEST_PAIRS = 2


@dataclass(frozen=True)
class Scatter:
    """The standard deviation of a block's log ratio of time per output token, a mode's over the reference's.

    Attributes
    ----------
    sd
        Root mean square over the modes: single ones are known too badly.
    blocks
        That it rests on. From one block alone it is predicted, and leaves out what changes from block to block only.
    """

    phase: Phase
    sd: float
    blocks: int


def scatter_of(requests: Requests, steps: Mapping[Phase, int] | None = None) -> tuple[Scatter, ...]:
    """Return the scatter in each phase of an earlier run in which it can be told.

    From two blocks on, the spread of their log ratios; of a single block, that of the paired requests within it.

    Parameters
    ----------
    steps
        Steps a phase of the blocks to come, for what is predicted from a single block; where they are not given, as
        many as there were.
    """
    measured = requests.measured.successes
    reference = reference_among(measured.modes_here)
    if reference is None or len(measured.modes_here) < 2:
        return ()
    if len(measured.blocks_here) > 1:
        return tuple(_between_blocks(measured, reference))
    return tuple(_within_the_block(measured, reference, steps or {}))


def _between_blocks(requests: Requests, reference: str) -> Iterator[Scatter]:
    cells = cells_of(requests, Metric.TPOT)
    base = cells.modes.index(reference)
    others = [arm for arm in range(len(cells.modes)) if arm != base]
    # Of very many blocks several share a cell, whose log ratio scatters less than theirs do.
    blocks_in_a_cell = len(requests.blocks_here) / len(cells.sums.numerator)
    for stratum, phase in enumerate(cells.phases):
        ratios = block_log_ratios(cells.sums, [Contrast(stratum, arm, base) for arm in others])
        held = ratios[:, np.count_nonzero(~np.isnan(ratios), axis=0) >= 2]
        if held.size:
            blocks = round(np.count_nonzero(~np.isnan(held), axis=0).min() * blocks_in_a_cell)
            sd = _root_mean_square(np.nanstd(held, axis=0, ddof=1)) * math.sqrt(blocks_in_a_cell)
            yield Scatter(phase, sd, blocks)


def _within_the_block(requests: Requests, reference: str, steps: Mapping[Phase, int]) -> Iterator[Scatter]:
    for phase in MEASURED_PHASES:
        here = requests.in_phase(phase)
        against = _log_tpot_by_step(here.of_mode(reference))
        spreads = []
        for mode in here.modes_here:
            of_mode = _log_tpot_by_step(here.of_mode(mode)) if mode != reference else {}
            paired = sorted(of_mode.keys() & against.keys())
            if len(paired) >= _FEWEST_PAIRS:
                differences = np.array([[of_mode[step] - against[step] for step in paired]])
                spreads.append(block_sd(differences, steps.get(phase) or None))
        if spreads:
            yield Scatter(phase, _root_mean_square(np.array(spreads)), 1)


def _log_tpot_by_step(requests: Requests) -> dict[int, float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(requests.decode_ms / (requests.tokens - 1))
    return {int(step): float(log) for step, log in zip(requests.step, logs, strict=True) if np.isfinite(log)}


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
