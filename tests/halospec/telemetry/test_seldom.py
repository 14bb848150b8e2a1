"""Readings that are taken now and then. Both clocks are pretended."""

from __future__ import annotations

import pytest

from halospec.telemetry.seldom import Seldom


class Clocks:
    """Pretended clocks: of the wall and of the thread."""

    now_s = 0.0
    cpu_s = 0.0


@pytest.fixture
def clocks():
    return Clocks()


def seldom(clocks: Clocks, cost_s: float, *, fails: bool = False) -> Seldom[float]:
    def read() -> float:
        clocks.cpu_s += cost_s
        if fails:
            raise OSError("no sensor")
        return clocks.now_s

    return Seldom(read, every_s=1.0, share=0.01, now=lambda: clocks.now_s, cpu=lambda: clocks.cpu_s)


def moments_read(clocks: Clocks, reading: Seldom[float]) -> list[float]:
    read = []
    for tick in range(100):
        clocks.now_s = tick / 10
        value = reading()
        if value is not None:
            read.append(value)
    return read


def test_a_cheap_reading_is_taken_as_often_as_it_may(clocks):
    assert moments_read(clocks, seldom(clocks, 0.001)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_dear_reading_is_taken_as_seldom_as_its_share_demands(clocks):
    assert moments_read(clocks, seldom(clocks, 0.05)) == [0, 5]


def test_a_reading_that_fails_costs_all_the_same(clocks):
    reading = seldom(clocks, 0.05, fails=True)
    with pytest.raises(OSError, match="no sensor"):
        reading()
    clocks.now_s = 4.9
    assert reading() is None
