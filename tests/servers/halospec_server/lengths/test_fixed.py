from __future__ import annotations

import pytest

from halospec.controllers.decision import Setting
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round
from halospec_server.lengths.fixed import FixedLength
from halospec_server.lengths.protocol import LengthPolicy


@pytest.mark.parametrize("k", [0, 4, MAX_DRAFT_LENGTH])
def test_it_stays_what_it_is(k: int) -> None:
    policy: LengthPolicy = FixedLength(k)
    for accepted in (0, k):
        policy.update(Round(k, k, accepted, 0, 0, 0, 0, 1, k + 1, 1, 1))
        assert policy.choose(1) == policy.choose(4) == Setting(k)
    assert (policy.stop, policy.decision, policy.lessons) == (None, None, 0)


@pytest.mark.parametrize("k", [-1, MAX_DRAFT_LENGTH + 1])
def test_a_length_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"from 0 to {MAX_DRAFT_LENGTH}, not {k}"):
        FixedLength(k)
