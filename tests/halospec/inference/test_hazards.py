import numpy as np
import pytest

from halospec.inference.hazards import hazards
from halospec.inference.proportions import wilson


def test_a_round_counts_at_a_position_that_it_drafted_and_came_to():
    found = hazards(k=[3, 3, 3, 1, 0], accepted=[3, 1, 0, 1, 0], k_max=4)

    assert (found.rounds, found.drafted, found.accepted) == (4, 10, 5)
    # Of four that drafted a first token three accepted it; of two that drafted and came to a second one did.
    assert [hazard.acceptance for hazard in found.hazards] == [wilson(3, 4), wilson(1, 2), wilson(1, 1), None]
    assert [hazard.reached for hazard in found.hazards] == [0.75, 0.375, 0.375, None]
    assert [hazard.position for hazard in found.hazards] == [1, 2, 3, 4]


def test_the_acceptance_rate_is_told_whatever_k_is_although_accepted_over_drafted_is_not():
    chance = np.random.default_rng(1)
    k = chance.integers(1, 9, 20_000)
    accepted = np.minimum(chance.geometric(0.3, 20_000) - 1, k)
    found = hazards(k, accepted, 8)

    for hazard in found.hazards:
        assert hazard.acceptance is not None
        assert hazard.acceptance.value == pytest.approx(0.7, abs=0.05)
    assert found.accepted / found.drafted < 0.5


def test_no_rounds_leave_every_position_open():
    found = hazards([], [], 2)

    assert (found.rounds, found.drafted, found.accepted) == (0, 0, 0)
    assert [(hazard.acceptance, hazard.reached) for hazard in found.hazards] == [(None, None)] * 2


def test_more_accepted_than_drafted_is_refused():
    with pytest.raises(ValueError, match="cannot accept more"):
        hazards([2], [3], 4)
