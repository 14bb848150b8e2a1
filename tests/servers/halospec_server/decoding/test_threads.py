from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.decoding.threads import fewest


@pytest.mark.parametrize(
    ("wishes", "expected"), [([4, None, 2], 2), ([3], 3), ([None, 1], 1), ([None], None), ([], None)]
)
def test_whoever_asks_for_the_fewest_gets_them(wishes: list[int | None], expected: int | None) -> None:
    assert fewest(wishes) == expected


@given(st.lists(st.one_of(st.none(), st.integers(1, 64))))
def test_who_does_not_mind_changes_nothing(wishes: list[int | None]) -> None:
    assert fewest([None, *wishes]) == fewest(wish for wish in wishes if wish is not None)
