from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.programs.pace import Pieces

PIECES = Pieces(every_s=0.01, least_bytes=100, most_bytes=10_000, carry_s=0.1)


@pytest.mark.parametrize(
    ("bytes_per_s", "size"),
    [(0.0, 100), (5_000.0, 100), (50_000.0, 500), (1e6, 10_000), (1e9, 10_000)],
)
def test_a_piece_is_what_is_due_in_a_moment_within_bounds(bytes_per_s: float, size: int) -> None:
    assert PIECES.size(bytes_per_s) == size


def test_what_is_due_grows_with_time() -> None:
    assert PIECES.due(20.0, 0.05, 1_000.0) == pytest.approx(70.0)


def test_what_was_missed_is_forgotten_after_a_while() -> None:
    assert PIECES.due(0.0, 60.0, 50_000.0) == pytest.approx(5_000.0)


def test_nothing_more_than_a_piece_stays_due_when_the_level_falls_to_zero() -> None:
    assert PIECES.due(5_000.0, 0.01, 0.0) == 100


@given(
    st.floats(1.0, 1e9),
    st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 1.0)), max_size=50),
)
def test_a_worker_that_is_starved_now_and_then_never_moves_more_than_its_rate(
    bytes_per_s: float, stretches: list[tuple[float, float]]
) -> None:
    owed = moved = elapsed_s = 0.0
    for stretch_s, luck in stretches:
        owed = PIECES.due(owed, stretch_s, bytes_per_s)
        elapsed_s += stretch_s
        done = owed * luck
        owed, moved = owed - done, moved + done
        assert moved <= bytes_per_s * elapsed_s * (1 + 1e-9)


@given(st.floats(1.0, 1e9))
def test_what_may_be_carried_is_always_enough_for_a_piece(bytes_per_s: float) -> None:
    assert PIECES.due(0.0, 1e9, bytes_per_s) >= PIECES.size(bytes_per_s)
