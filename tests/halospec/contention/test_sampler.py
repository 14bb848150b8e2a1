from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from halospec.clock import Clock
from halospec.contention.sampler import ActivitySampler


class Meter:
    """A load that uses half a core, and remembers when it was read."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.read_ns: list[int] = []

    def cpu_ns(self) -> int:
        self.read_ns.append(self.clock())
        return self.read_ns[-1] // 2


@pytest.fixture
def sampler(clock: Clock) -> Iterator[ActivitySampler]:
    sampler = ActivitySampler(1, clock)
    yield sampler
    sampler.end()


def test_it_samples_by_itself_while_nobody_asks(
    sampler: ActivitySampler, clock: Clock, eventually: Callable[..., None]
) -> None:
    meter = Meter(clock)
    sampler.begin(meter.cpu_ns)
    eventually(lambda: len(meter.read_ns) >= 5)
    sampler.end()
    assert len(sampler.activity.samples) >= 2


def test_a_closed_window_is_read_no_more(sampler: ActivitySampler, clock: Clock) -> None:
    meter = Meter(clock)
    sampler.begin(meter.cpu_ns)
    sampler.end()
    readings, activity = len(meter.read_ns), sampler.activity
    time.sleep(0.2)
    assert sampler.activity == activity
    assert len(meter.read_ns) == readings


def test_the_activity_of_an_open_window_reaches_up_to_now(sampler: ActivitySampler, clock: Clock) -> None:
    meter = Meter(clock)
    sampler.begin(meter.cpu_ns)
    asked_ns = clock()
    assert sampler.activity.samples[-1].ended_ns >= asked_ns


def test_without_a_window_there_is_no_activity(sampler: ActivitySampler) -> None:
    assert sampler.activity.samples == ()
    sampler.end()
    assert sampler.activity.samples == ()
