"""The requests of runs on one grid of block, prompt, mode and phase: what stands in the same place can be paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.analysis.modes import in_order
from halospec.analysis.requests import PHASES, Requests
from halospec.compare.metrics import Terms
from halospec.inference.types import Sums
from halospec.records.schema import MEASURED_PHASES, Phase

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Stratum:
    """A mode in a phase."""

    mode: str
    phase: Phase


@dataclass(frozen=True)
class Grid:
    """The places that the requests of several runs may have.

    Attributes
    ----------
    prompts
        A request without a prompt's name has a place of its own after them.
    """

    blocks: tuple[int, ...]
    prompts: tuple[str, ...]
    strata: tuple[Stratum, ...]

    @classmethod
    def of(cls, runs: Sequence[Requests]) -> Grid:
        """Return the blocks and prompts that any of the runs has, and the modes and phases that all of them have."""
        present = [
            {Stratum(mode, phase) for mode, phase, _ in requests.by_mode_and_phase() if phase in MEASURED_PHASES}
            for requests in runs
        ]
        shared = set.intersection(*present)
        return cls(
            blocks=tuple(sorted({block for requests in runs for block in requests.blocks_here})),
            prompts=tuple(sorted({prompt for requests in runs for prompt in requests.prompts})),
            strata=tuple(
                Stratum(mode, phase)
                for mode in in_order(stratum.mode for stratum in shared)
                for phase in MEASURED_PHASES
                if Stratum(mode, phase) in shared
            ),
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one run's sums on the grid."""
        return (len(self.blocks), len(self.prompts) + 1, len(self.strata), 1)

    def sums(self, requests: Requests, terms: Terms) -> Sums:
        """Add up what each request brings at its place; requests that have none on the grid are left out."""
        block = np.searchsorted(self.blocks, requests.block)
        prompt = np.array([*map(self.prompts.index, requests.prompts), len(self.prompts)])[requests.prompt]
        stratum = self._stratum_of(requests)
        kept = stratum >= 0
        places = np.ravel_multi_index((block[kept], prompt[kept], stratum[kept]), self.shape[:3])
        numerator, denominator = (
            np.bincount(places, weights=part[kept], minlength=math.prod(self.shape))
            .reshape(self.shape)
            .astype(np.float64)
            for part in (terms.numerator, terms.denominator)
        )
        return Sums(numerator, denominator)

    def _stratum_of(self, requests: Requests) -> npt.NDArray[np.int64]:
        table = np.full((len(requests.modes), len(PHASES)), -1, dtype=np.int64)
        for place, stratum in enumerate(self.strata):
            table[requests.modes.index(stratum.mode), PHASES.index(stratum.phase)] = place
        return table[requests.mode, requests.phase]


@dataclass(frozen=True, eq=False)
class Paired:
    """Two runs' sums in the cells that both have.

    Attributes
    ----------
    sums
        The baseline is arm 0, the candidate arm 1.
    unmatched
        Cells that only one of them has; they are in no sum here.
    """

    sums: Sums
    unmatched: int


def paired(baseline: Sums, candidate: Sums) -> Paired:
    """Keep the cells that both runs have."""
    in_baseline, in_candidate = baseline.denominator > 0, candidate.denominator > 0
    both = in_baseline & in_candidate
    return Paired(
        Sums(
            np.concatenate([np.where(both, run.numerator, 0.0) for run in (baseline, candidate)], axis=3),
            np.concatenate([np.where(both, run.denominator, 0.0) for run in (baseline, candidate)], axis=3),
        ),
        int(np.count_nonzero(in_baseline ^ in_candidate)),
    )


def without_logarithm(sums: Sums) -> Flags:
    """Tell in which strata a block's numerator is 0 where its denominator is not: the ratio has no logarithm there."""
    empty = (sums.numerator.sum(axis=1) <= 0) & (sums.denominator.sum(axis=1) > 0)
    found: Flags = empty.any(axis=(0, 2))
    return found


def blanked(sums: Sums, strata: Flags) -> Sums:
    """Return the sums with nothing measured in some strata."""
    kept = ~strata[np.newaxis, np.newaxis, :, np.newaxis]
    return Sums(np.where(kept, sums.numerator, 0.0), np.where(kept, sums.denominator, 0.0))
