"""What a machine draws at rest, from counters and gauges that are pretended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.clock import start_clock
from halospec.records.ticks import Tick
from halospec.telemetry.idle import idle_power, mean_power
from halospec.telemetry.protocol import Column, Reading

pytestmark = pytest.mark.anyio

S = 10**9


@dataclass
class StandInMeter:
    """A meter of nothing, that reads what it is told to."""

    columns: tuple[Column, ...]
    reads: Callable[[], Reading]
    source: str = "energy"

    def read(self) -> Reading:
        return self.reads()

    def close(self) -> None:
        pass


def ticks(*readings: Reading, every_s: float = 1.0) -> list[Tick]:
    return [Tick(round(place * every_s * S), reading) for place, reading in enumerate(readings)]


@given(watts=st.floats(0, 1000), start_j=st.floats(0, 1e6), count=st.integers(2, 50))
def test_a_counter_that_grows_evenly_is_its_power(watts, start_j, count):
    read = ticks(*({"energy.package-0_j": start_j + watts * second} for second in range(count)))
    assert mean_power(read, energy=["energy.package-0_j"], power=[]).watts == pytest.approx(watts, abs=1e-6)


def test_a_gauge_is_averaged_over_time_and_added_to_counters():
    read = ticks(
        {"gpu0.power_w": 10.0, "energy.package-0_j": 5.0},
        {"gpu0.power_w": 20.0},
        {"gpu0.power_w": 30.0, "energy.package-0_j": 9.0},
    )
    found = mean_power(read, energy=["energy.package-0_j"], power=["gpu0.power_w"])
    assert (found.watts, found.seconds) == (20.0 + 2.0, 2.0)


@pytest.mark.parametrize(
    "read",
    [
        [],
        ticks({"a.j": 1.0}),
        ticks({}, {}, {}),
        ticks({"a.j": 1.0}, {}, {}, {}, {}),
        ticks({"a.j": 1.0}, {"a.j": 2.0}, {}, {}, {}),
        ticks({"b.w": 1.0}, {"b.w": 1.0}),
    ],
)
def test_what_was_not_read_throughout_is_not_known(read):
    assert mean_power(read, energy=["a.j"], power=[]) is None


async def test_a_machine_that_counts_no_energy_is_not_watched():
    def fail() -> Reading:
        raise AssertionError("read")

    meter = StandInMeter((Column("power_w", "of which the counter tells already"),), fail)
    assert await idle_power([meter], start_clock(), seconds=0.3) is None


async def test_a_machine_that_counts_energy_is_watched_for_a_while():
    clock = start_clock()
    counter = StandInMeter(
        (Column("package-0_j", "joules", is_energy=True),), lambda: {"package-0_j": 50.0 * clock() / S}
    )
    gauge = StandInMeter((Column("power_w", "watts", is_power=True),), lambda: {"power_w": 30.0}, source="gpu0")
    found = await idle_power([counter, gauge], clock, seconds=0.5)
    assert found.watts == pytest.approx(80.0, rel=0.05)
    assert found.seconds <= 1.0


async def test_a_meter_that_fails_leaves_it_unknown():
    def fail() -> Reading:
        raise OSError("gone")

    meter = StandInMeter((Column("package-0_j", "joules", is_energy=True),), fail)
    assert await idle_power([meter], start_clock(), seconds=0.3) is None
