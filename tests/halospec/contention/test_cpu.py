from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.cpu import MOST_CORRECTION, ShareSteering, program_of_cpu
from halospec.contention.loads import CpuLoad
from halospec.contention.program import Counted, Program
from halospec.cores import available_cores

MS = 1_000_000
TICK_NS = 10 * MS
EVERY_NS = 50 * MS


def test_the_default_is_all_of_every_core() -> None:
    assert CpuLoad() == CpuLoad(workers=available_cores(), percent=100.0)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"workers": 0}, "CPU load needs at least 1 worker, not 0; leave the load off to run without any."),
        ({"workers": -3}, "CPU load needs at least 1 worker, not -3; leave the load off to run without any."),
        ({"percent": 0.0}, "The load percent must be above 0 and at most 100, not 0; it is the share of each"),
        ({"percent": 100.5}, "The load percent must be above 0 and at most 100, not 100.5"),
        ({"percent": float("nan")}, "The load percent must be above 0 and at most 100, not nan"),
        ({"cores": (0, 0)}, "Cores to pin to are different numbers from 0 on, not 0, 0."),
        ({"niceness": 20}, "Niceness lies between -20 and 19, not at 20."),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        CpuLoad(**asked)  # type: ignore[arg-type]
    assert str(refusal.value).startswith(sentence)


def test_a_cpu_load_is_burners_whose_cpu_time_counts_as_percent_of_their_cores() -> None:
    load = CpuLoad(workers=4, percent=37.5, cores=(0, 1), niceness=5)
    assert program_of_cpu(load) == Program(
        arguments=("burn", "--percent", "37.5"),
        workers=4,
        counted=Counted.CPU_TIME,
        scale=25.0,
        at_work_above=1.0,
        cores=(0, 1),
        niceness=5,
    )


class PacedWorkers:
    """Stands in for burners whose share of their cores differs from what they were told, read in the system's ticks."""

    def __init__(self, load: CpuLoad, got: Callable[[float], float]) -> None:
        self.steering = ShareSteering(load)
        self.load = load
        self.got = got
        self.told = 1.0
        self.at_ns = 0
        self.used_ns = 0.0
        self.steering.begin(0, 0)

    def run(self, seconds: float, due: float = 1.0) -> float:
        """Let them work and return the share of their cores, in percent, that they had."""
        before_ns, began_ns = self.used_ns, self.at_ns
        while self.at_ns < began_ns + seconds * 1e9:
            share = min(1.0, max(0.0, self.got(self.load.percent / 100 * self.told)))
            self.at_ns += EVERY_NS
            self.used_ns += share * EVERY_NS * self.load.workers
            self.told = self.steering.told(due, self.at_ns, int(self.used_ns) // TICK_NS * TICK_NS)
        return 100 * (self.used_ns - before_ns) / (self.at_ns - began_ns) / self.load.workers


@given(st.integers(1, 8), st.floats(5.0, 95.0), st.floats(-2.5, 2.5))
def test_a_share_that_is_some_points_off_is_brought_back(workers: int, percent: float, off: float) -> None:
    burners = PacedWorkers(CpuLoad(workers=workers, percent=percent), lambda share: share + off / 100)
    burners.run(20)
    assert burners.run(10) == pytest.approx(percent, abs=0.75)


@given(st.integers(1, 8), st.floats(5.0, 100.0), st.floats(0.0, 1.0))
def test_no_more_is_ever_asked_for_than_a_few_points_beyond_the_target(
    workers: int, percent: float, luck: float
) -> None:
    burners = PacedWorkers(CpuLoad(workers=workers, percent=percent), lambda share: share * luck)
    for _ in range(10):
        burners.run(1)
        assert burners.told * percent / 100 <= percent / 100 + MOST_CORRECTION + 1e-9


def test_starved_burners_are_not_asked_for_more() -> None:
    burners = PacedWorkers(CpuLoad(workers=2, percent=75.0), lambda share: 0.5 * share)
    burners.run(30)
    assert burners.told == 1.0
    burners.got = lambda share: share
    burners.run(1)
    assert burners.run(5) == pytest.approx(75.0, abs=1.0)


def test_a_pause_in_the_course_is_a_pause() -> None:
    burners = PacedWorkers(CpuLoad(workers=1, percent=50.0), lambda share: max(0.0, share - 0.02))
    burners.run(10)
    burners.run(0.05, due=0.0)
    assert burners.told == 0.0
    assert burners.run(3, due=0.0) == 0.0
    burners.run(0.05, due=1.0)
    assert burners.run(10, due=1.0) == pytest.approx(50.0, abs=1.5)


def test_every_window_begins_without_a_correction() -> None:
    burners = PacedWorkers(CpuLoad(workers=1, percent=50.0), lambda share: share - 0.02)
    burners.run(10)
    assert burners.told > 1.0
    burners.steering.begin(0, 0)
    assert burners.steering.told(1.0, EVERY_NS, 0) == 1.0
