"""How likely the j-th drafted token is kept, given that those before it were: for each mode in each phase.

The acceptance rate mixes positions, and falls with k even where each position is accepted equally often. Taken one by
one, and with rounds that the end of a reply cut short counted only as far as they went, positions can be compared
between modes (halospec.inference.hazards).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from halospec.analysis.requests import PHASES, Requests
from halospec.analysis.rounds import Rounds
from halospec.analysis.value import Value
from halospec.inference.hazards import Hazard, hazards
from halospec.inference.types import Share
from halospec.records.schema import Phase

FEWEST_TRIALS = 30
"""Positions that fewer rounds reached are left out, and all beyond them: the interval could be 0.35 wide there."""


class PositionAcceptance(Value):
    """One position in the draft, from 1.

    Attributes
    ----------
    acceptance
        Share of the rounds that came to this position whose token there was kept; Wilson's interval takes rounds for
        independent.
    reached
        The product of the acceptances up to here: the probability that a draft of this length is kept whole.
    """

    position: int
    acceptance: Share
    reached: float


class AcceptanceByPosition(Value):
    """One mode in one phase.

    Attributes
    ----------
    rounds, drafted, accepted
        Rounds in which anything was drafted, and the tokens of all of them.
    """

    mode: str
    phase: Phase
    rounds: int
    drafted: int
    accepted: int
    positions: tuple[PositionAcceptance, ...]


def acceptance_by_position(
    requests: Requests, rounds: Rounds, *, fewest_trials: int = FEWEST_TRIALS
) -> tuple[AcceptanceByPosition, ...] | None:
    """Estimate acceptance at each position that enough rounds of successful requests reached.

    ``None`` if the server logged no round in which anything was drafted.

    Parameters
    ----------
    rounds
        Those that were read together with ``requests``, warm-up and failed requests among them.
    """
    found = []
    for mode, phase, here in by_mode_and_phase(requests, rounds):
        # Beyond this length fewer rounds than needed drafted at all.
        longest = int(np.sort(here.k)[-fewest_trials]) if len(here) >= fewest_trials else 0
        counted = hazards(here.k, here.accepted, longest)
        if counted.rounds:
            found.append(
                AcceptanceByPosition(
                    mode=mode,
                    phase=phase,
                    rounds=counted.rounds,
                    drafted=counted.drafted,
                    accepted=counted.accepted,
                    positions=tuple(_supported(counted.hazards, fewest_trials)),
                )
            )
    return tuple(found) or None


def by_mode_and_phase(requests: Requests, rounds: Rounds) -> Iterator[tuple[str, Phase, Rounds]]:
    """Yield the rounds of each mode's successful requests in each measured phase, sorted once for all of them."""
    counted = requests.success & (requests.phase != PHASES.index(Phase.WARMUP))
    cell = np.where(counted, requests.mode * len(PHASES) + requests.phase, -1).astype(np.int16)
    # NumPy sorts 16-bit integers by radix, in linear time.
    of_round = cell[rounds.request]
    order = np.argsort(of_round, kind="stable")
    ends = np.searchsorted(of_round, np.arange(len(requests.modes) * len(PHASES)), side="right", sorter=order)
    start = int(np.searchsorted(of_round, -1, side="right", sorter=order))
    for place, end in enumerate(ends.tolist()):
        if end > start:
            mine = order[start:end]
            yield (
                requests.modes[place // len(PHASES)],
                PHASES[place % len(PHASES)],
                rounds.taken(mine),
            )
        start = end


def _supported(found: tuple[Hazard, ...], fewest_trials: int) -> Iterator[PositionAcceptance]:
    for hazard in found:
        if hazard.acceptance is None or hazard.reached is None or hazard.acceptance.of < fewest_trials:
            return
        yield PositionAcceptance(position=hazard.position, acceptance=hazard.acceptance, reached=hazard.reached)
