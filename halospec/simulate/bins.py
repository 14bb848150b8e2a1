"""A simulation as sums over short stretches of its scenario, the same stretches for every policy.

A round's time is shared evenly by the tokens it yields, so that a stretch holds the same tokens whatever the policy
did, and sums over segments are paired exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from halospec.recordings.types import QUIET
from halospec.simulate.types import Scenario, Segment, Simulated

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BINS = 120
"""About so many stretches a scenario: enough for a curve, few enough to keep for every policy and seed."""


@dataclass(frozen=True, eq=False)
class Bins:
    """A scenario cut into stretches, none of which reaches over the end of a segment.

    Attributes
    ----------
    edges
        Tokens between which the stretches lie, from 0 to the scenario's last; one more than there are stretches.
    kind
        Each stretch's kind of segment, as a place in `kinds`.
    kinds
        A segment of each kind, in the order in which they first come.
    """

    edges: Ints
    kind: Ints
    kinds: tuple[Segment, ...]

    @property
    def tokens(self) -> Ints:
        """Tokens of each stretch."""
        return np.diff(self.edges)

    @property
    def under_load(self) -> npt.NDArray[np.bool_]:
        """Which stretches have any load."""
        return np.array([is_loaded(segment) for segment in self.kinds])[self.kind]


@dataclass(frozen=True, eq=False)
class Binned:
    """What one policy did in each stretch.

    Attributes
    ----------
    ms
        What the stretch's tokens took.
    k, threads
        Means over its tokens: tokens drafted by the round that yielded them, and threads of its pass of the target.
    """

    ms: Floats
    k: Floats
    threads: Floats


def bins_of(scenario: Scenario, bins: int = BINS) -> Bins:
    """Cut a scenario at the ends of its segments, and evenly within them."""
    kinds: dict[tuple[str, str | None, str], int] = {}
    first_of_kind: list[Segment] = []
    edges, kind, start = [0], [], 0
    for segment in scenario.segments:
        if segment.kind not in kinds:
            kinds[segment.kind] = len(kinds)
            first_of_kind.append(segment)
        wanted = max(1, round(bins * segment.tokens / scenario.tokens))
        inner = np.unique(np.linspace(start, start + segment.tokens, wanted + 1).round().astype(int))[1:]
        edges.extend(int(edge) for edge in inner)
        kind.extend([kinds[segment.kind]] * len(inner))
        start += segment.tokens
    return Bins(np.array(edges), np.array(kind), tuple(first_of_kind))


def binned(simulated: Simulated, bins: Bins) -> Binned:
    """Return the sums of a simulation.

    Raises
    ------
    ValueError
        If the simulation ended before its scenario did.
    """
    end = int(simulated.tokens.sum())
    if end < bins.edges[-1]:
        raise ValueError(
            f"The simulation of {simulated.spelling} ended after {end} of {int(bins.edges[-1])} tokens; it cannot be "
            "compared with those that went on."
        )
    starts = np.append(simulated.round_token, end).astype(np.float64)
    tokens = np.diff(starts)

    def summed(of_rounds: npt.ArrayLike) -> Floats:
        running = np.concatenate([[0.0], np.cumsum(np.asarray(of_rounds, dtype=np.float64))])
        return np.asarray(np.diff(np.interp(bins.edges, starts, running)))

    return Binned(
        ms=summed(simulated.duration_ms),
        k=summed(simulated.k * tokens) / bins.tokens,
        threads=summed(simulated.threads * tokens) / bins.tokens,
    )


def is_loaded(segment: Segment) -> bool:
    """Whether anything else runs on the machine in a segment, at least at one of its ends."""
    return segment.load != QUIET or segment.load_until not in (None, QUIET)


def segment_label(segment: Segment) -> str:
    """Return what kind of segment it is, in words."""
    load = segment.load if segment.load_until is None else f"{segment.load} to {segment.load_until}"
    return load if segment.prompts == "all" else f"{load}, prompts: {segment.prompts}"


def loaded_stretches(segments: Sequence[Segment]) -> tuple[tuple[int, int], ...]:
    """Return from which token to which there is load, neighbouring segments joined."""
    stretches: list[tuple[int, int]] = []
    start = 0
    for segment in segments:
        end = start + segment.tokens
        if is_loaded(segment):
            if stretches and stretches[-1][1] == start:
                stretches[-1] = (stretches[-1][0], end)
            else:
                stretches.append((start, end))
        start = end
    return tuple(stretches)
