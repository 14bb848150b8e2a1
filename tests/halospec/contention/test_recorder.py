from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.recorder import SAMPLE_NS, ActivityRecorder

MS = 1_000_000
TICK_NS = 10 * MS


def ticks(cpu_ns: int) -> int:
    """What the operating system says of a CPU time."""
    return cpu_ns // TICK_NS * TICK_NS


def record(workers: int, share: float, length_ms: int, every_ms: int = 50) -> ActivityRecorder:
    recorder = ActivityRecorder(workers)
    recorder.begin(0, 0)
    for at_ms in range(every_ms, length_ms + 1, every_ms):
        recorder.read(at_ms * MS, ticks(round(share * workers * at_ms * MS)))
    return recorder


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_steady_share_is_at_work_all_the_time_however_coarse_the_clock(share: float, workers: int) -> None:
    activity = record(workers, share, length_ms=5000).activity()
    assert activity.overlap(0, 5000 * MS) == 1.0
    assert activity.percent(0, 5000 * MS) == pytest.approx(100 * share, abs=0.3)


def test_burners_that_stop_using_the_cpu_are_at_rest() -> None:
    recorder = record(1, 1.0, length_ms=1000)
    for at_ms in range(1050, 3001, 50):
        recorder.read(at_ms * MS, 1000 * MS)
    activity = recorder.activity()
    assert activity.overlap(0, 1000 * MS) == 1.0
    assert activity.overlap(1000 * MS, 3000 * MS) == 0.0


def test_a_stretch_too_short_to_judge_goes_with_the_sample_before_it() -> None:
    recorder = record(1, 1.0, length_ms=1000)
    recorder.read(1009 * MS, 1000 * MS)
    assert recorder.activity().overlap(1000 * MS, 1009 * MS) == 1.0


def test_a_second_window_adds_to_the_first_and_leaves_a_gap() -> None:
    recorder = record(1, 1.0, length_ms=100)
    recorder.end()
    recorder.begin(500 * MS, 7 * MS)
    recorder.read(600 * MS, 57 * MS)
    recorder.end()
    activity = recorder.activity()
    assert activity.percent(0, 100 * MS) == pytest.approx(100.0)
    assert activity.percent(100 * MS, 500 * MS) is None
    assert activity.percent(500 * MS, 600 * MS) == pytest.approx(50.0)


def test_nothing_is_known_before_the_second_reading() -> None:
    recorder = ActivityRecorder(1)
    assert recorder.activity().samples == ()
    recorder.begin(10, 0)
    assert recorder.activity().samples == ()


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(0, 1000),
)
def test_no_cpu_time_is_lost_or_invented(steps: list[tuple[int, int]], workers: int, before: int) -> None:
    recorder = ActivityRecorder(workers)
    recorder.begin(0, before * TICK_NS)
    at_ms = list(accumulate(step for step, _ in steps))
    used = list(accumulate(used for _, used in steps))
    for now_ms, spent in zip(at_ms, used, strict=True):
        recorder.read(now_ms * MS, (before + spent) * TICK_NS)
    while_open = recorder.activity().samples
    recorder.end()
    samples = recorder.activity().samples
    assert samples == while_open
    total = sum((s.ended_ns - s.started_ns) * workers * s.cpu_percent / 100 for s in samples)
    assert total == pytest.approx(used[-1] * TICK_NS)
    assert (samples[0].started_ns, samples[-1].ended_ns) == (0, at_ms[-1] * MS)
    assert all(a.ended_ns == b.started_ns for a, b in pairwise(samples))
    assert len(samples) == 1 or all(s.ended_ns - s.started_ns >= SAMPLE_NS for s in samples)
