from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.lengths.offered_threads import offered_threads


@pytest.mark.parametrize(
    ("target", "draft", "most", "expected"),
    [
        (1, 1, 4, [(1, 1)]),
        (2, 2, 2, [(2, 2), (2, 1), (1, 1)]),
        (2, 1, 2, [(2, 1), (1, 1)]),
        (4, 4, 8, [(4, 4), (4, 1), (1, 1)]),
        (8, 8, 8, [(8, 8), (8, 1), (1, 1), (4, 4)]),
        (6, 1, 8, [(6, 1), (1, 1), (3, 1)]),
        (8, 8, 4, [(8, 8), (1, 1), (4, 4)]),
    ],
)
def test_its_own_come_first_then_few_others(
    target: int, draft: int, most: int, expected: list[tuple[int, int]]
) -> None:
    assert list(offered_threads(target, draft, most).offered) == expected


@given(target=st.integers(1, 128), draft=st.integers(1, 128), most=st.integers(1, 128))
def test_no_pair_comes_twice_and_none_but_its_own_exceeds_what_is_allowed(target: int, draft: int, most: int) -> None:
    own, *others = offered_threads(target, draft, most).offered
    assert own == (target, draft)
    assert len({own, *others}) == 1 + len(others)
    assert all(1 <= threads <= most for pair in others for threads in pair)
