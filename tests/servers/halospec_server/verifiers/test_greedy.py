from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.drafters.protocol import Draft
from halospec_server.verifiers.greedy import GreedyVerifier
from halospec_server.verifiers.protocol import Verdict


def rows_that_choose(*tokens: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.zeros((len(tokens), 5), dtype=np.float32)
    rows[range(len(tokens)), tokens] = 1.0
    return rows


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6), st.integers(0, 4))
def test_the_kept_prefix_and_the_token_after_it_are_the_targets_own_choices(
    pairs: list[tuple[int, int]], last: int
) -> None:
    proposed, chosen = tuple(p for p, _ in pairs), (*(c for _, c in pairs), last)
    verdict = GreedyVerifier().verify(Draft(proposed), rows_that_choose(*chosen))
    assert (*proposed[: verdict.accepted], verdict.token) == chosen[: verdict.accepted + 1]
    assert verdict.accepted == len(proposed) or proposed[verdict.accepted] != chosen[verdict.accepted]


def test_an_empty_draft_just_chooses() -> None:
    assert GreedyVerifier().verify(Draft(()), rows_that_choose(3)) == Verdict(accepted=0, token=3)


def test_nothing_after_the_first_mismatch_is_looked_at() -> None:
    verdict = GreedyVerifier().verify(Draft((3, 1, 2, 2)), rows_that_choose(3, 4))
    assert verdict == Verdict(accepted=1, token=4)
