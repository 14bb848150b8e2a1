"""From requests to the sums that inference compares: a ratio's numerator and denominator in each cell of the design."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from halospec.analysis.requests import PHASES, Flags, Floats, Ints, Requests
from halospec.inference.types import Sums
from halospec.records.schema import Phase

MOST_BLOCK_CELLS = 40
MOST_PROMPT_CELLS = 120


class Metric(StrEnum):
    """A ratio of sums that modes are compared on.

    ``TPOT``: Σ(ended − first token) / Σ(tokens − 1) over requests of at least two tokens. ``TTFT`` and ``LATENCY``:
    means over the requests that have one. ``ACCEPTANCE``: Σ accepted / Σ drafted.
    """

    TPOT = "tpot_ms"
    TTFT = "ttft_ms"
    LATENCY = "latency_ms"
    ACCEPTANCE = "acceptance"


@dataclass(frozen=True, eq=False)
class Cells:
    """A metric's sums over the successful measured requests of a run, and what the axes stand for.

    Attributes
    ----------
    sums
        Shape (blocks, prompts, phases, modes).
    """

    sums: Sums
    phases: tuple[Phase, ...]
    modes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no request has the metric."""
        return not self.sums.denominator.any()


def cells_of(requests: Requests, metric: Metric, *, most_blocks: int | None = MOST_BLOCK_CELLS) -> Cells:
    """Sum a metric over each cell; requests whose prompt is not known share one.

    The axes hold every block, phase and mode with a success, whether or not the metric is known there. More blocks than
    ``most_blocks`` share that many cells, each with its neighbours, and likewise more prompts than `MOST_PROMPT_CELLS`:
    clusters that are too coarse leave an interval valid, and bound what it costs.
    """
    kept = requests.measured.successes
    modes = kept.modes_here
    block, blocks = _grouped(kept.block, most_blocks)
    prompt, prompts = _grouped(kept.prompt, MOST_PROMPT_CELLS)
    phase_numbers, phase = np.unique(kept.phase, return_inverse=True)
    mode = _places(kept.mode, [kept.modes.index(name) for name in modes])
    shape = (blocks, prompts, len(phase_numbers), len(modes))

    known, above, below = _parts(kept, metric)
    flat = ((block * prompts + prompt) * shape[2] + phase) * shape[3] + mode
    sums = Sums(_summed(flat[known], above, shape), _summed(flat[known], below, shape))
    return Cells(sums, tuple(PHASES[number] for number in phase_numbers), modes)


def _parts(kept: Requests, metric: Metric) -> tuple[Flags, Floats, Floats]:
    """Return which requests have the metric, and what each of those adds to the numerator and to the denominator."""
    match metric:
        case Metric.TPOT:
            known = np.isfinite(kept.decode_ms) & (kept.tokens >= 2)
            return known, kept.decode_ms[known], kept.tokens[known] - 1
        case Metric.ACCEPTANCE:
            known = np.isfinite(kept.accepted) & np.isfinite(kept.drafted)
            return known, kept.accepted[known], kept.drafted[known]
        case Metric.TTFT:
            times = kept.ttft_ms
        case Metric.LATENCY:
            times = kept.latency_ms
    known = np.isfinite(times)
    return known, times[known], np.ones(np.count_nonzero(known))


def _grouped(values: Ints, most: int | None) -> tuple[npt.NDArray[np.intp], int]:
    """Return each value's place among the different ones, in at most so many groups of neighbours, and their number."""
    different, place = np.unique(values, return_inverse=True)
    if most is None or len(different) <= most:
        return place, len(different)
    return place * most // len(different), most


def _places(values: Ints, order: list[int]) -> npt.NDArray[np.intp]:
    place = np.zeros(max(order, default=0) + 1, dtype=np.intp)
    place[order] = np.arange(len(order))
    return place[values]


def _summed(flat: npt.NDArray[np.intp], weights: Floats, shape: tuple[int, ...]) -> Floats:
    size = int(np.prod(shape))
    summed = np.bincount(flat, weights=weights, minlength=size) if size else np.zeros(0)
    return summed.reshape(shape).astype(np.float64)
