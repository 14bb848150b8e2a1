from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from halospec.clock import Clock
from halospec.contention.recorder import Scale
from halospec.contention.sampler import ActivitySampler

HALF_A_CORE = Scale(100.0, full_amount=50.0, at_work_above=1.0)


class Meter:
    """Stands in for workers that use half a core; remembers when it was read and what it was told."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.read_ns: list[int] = []
        self.told: list[float] = []

    def count(self) -> int:
        self.read_ns.append(self.clock())
        return self.read_ns[-1] // 2

    def is_alive(self) -> bool:
        return True

    def set_level(self, level: float) -> None:
        self.told.append(level)


@dataclass(frozen=True)
class OneThenHalf:
    """A profile: all, and half of it after 0.1 s."""

    def level(self, elapsed_s: float) -> float:
        return 1.0 if elapsed_s < 0.1 else 0.5


class Doubling:
    """Stands in for a closed loop: tells twice what is due, and remembers what it began with."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []

    def begin(self, at_ns: int, count: int) -> None:
        self.begun.append((at_ns, count))

    def told(self, due: float, at_ns: int, count: int) -> float:
        return 2 * due


@pytest.fixture
def sampler(clock: Clock) -> Iterator[ActivitySampler]:
    sampler = ActivitySampler(HALF_A_CORE, clock)
    yield sampler
    sampler.end()


def test_it_samples_by_itself_while_nobody_asks(
    sampler: ActivitySampler, clock: Clock, eventually: Callable[..., None]
) -> None:
    meter = Meter(clock)
    sampler.begin(meter)
    eventually(lambda: len(meter.read_ns) >= 5)
    sampler.end()
    assert len(sampler.activity.samples) >= 2


def test_a_closed_window_is_read_no_more(sampler: ActivitySampler, clock: Clock) -> None:
    meter = Meter(clock)
    sampler.begin(meter)
    sampler.end()
    readings, activity = len(meter.read_ns), sampler.activity
    time.sleep(0.2)
    assert sampler.activity == activity
    assert len(meter.read_ns) == readings


def test_the_activity_of_an_open_window_reaches_up_to_now(sampler: ActivitySampler, clock: Clock) -> None:
    meter = Meter(clock)
    sampler.begin(meter)
    asked_ns = clock()
    assert sampler.activity.samples[-1].ended_ns >= asked_ns


def test_without_a_window_there_is_no_activity(sampler: ActivitySampler) -> None:
    assert sampler.activity.samples == ()
    sampler.end()
    assert sampler.activity.samples == ()


def stepping_clock() -> Clock:
    """A clock that goes on by 20 ms whenever it is read: a course is run through however busy the machine is."""
    readings = itertools.count(0, 20_000_000)
    return lambda: next(readings)


def test_it_keeps_a_load_on_its_course_while_nobody_asks(eventually: Callable[..., None]) -> None:
    clock = stepping_clock()
    meter, sampler = Meter(clock), ActivitySampler(HALF_A_CORE, clock, OneThenHalf())
    sampler.begin(meter)
    eventually(lambda: meter.told.count(0.5) >= 5)
    sampler.end()
    assert meter.told == sorted(meter.told, reverse=True)
    assert set(meter.told) == {1.0, 0.5}
    targets = [one.target for one in sampler.activity.samples]
    assert targets[0] == pytest.approx(50.0)
    assert targets[-1] == pytest.approx(25.0)


def test_a_course_begins_anew_with_every_window(eventually: Callable[..., None]) -> None:
    clock = stepping_clock()
    sampler = ActivitySampler(HALF_A_CORE, clock, OneThenHalf())
    for _ in range(2):
        meter = Meter(clock)
        sampler.begin(meter)
        eventually(lambda told=meter.told: 0.5 in told)
        sampler.end()
        assert meter.told[0] == 1.0


def test_workers_are_told_what_a_closed_loop_makes_of_the_level_and_the_record_keeps_what_was_due(clock: Clock) -> None:
    meter, steering = Meter(clock), Doubling()
    sampler = ActivitySampler(HALF_A_CORE, clock, steering=steering)
    sampler.begin(meter)
    sampler.end()
    assert steering.begun == [(sampler.activity.samples[0].started_ns, meter.read_ns[0] // 2)]
    assert set(meter.told) == {2.0}
    assert {one.target for one in sampler.activity.samples} == {50.0}
