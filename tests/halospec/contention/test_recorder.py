from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.activity import Activity
from halospec.contention.recorder import SAMPLE_NS, SILENCE_NS, ActivityRecorder, Scale

MS = 1_000_000
TICK_NS = 10 * MS


def cpu_share_of(workers: int) -> Scale:
    """A count of CPU nanoseconds, as percent of so many cores; at work above 1 %."""
    return Scale(100 / workers, full_amount=100.0, at_work_above=1.0)


def ticks(cpu_ns: int) -> int:
    """What the operating system says of a CPU time."""
    return cpu_ns // TICK_NS * TICK_NS


def record(workers: int, share: float, length_ms: int, every_ms: int = 50) -> ActivityRecorder:
    recorder = ActivityRecorder(cpu_share_of(workers))
    recorder.begin(0, 0)
    for at_ms in range(every_ms, length_ms + 1, every_ms):
        recorder.read(at_ms * MS, ticks(round(share * workers * at_ms * MS)))
    return recorder


def at_work_ns(activity: Activity, started_ns: int, ended_ns: int) -> int:
    return sum(end - start for start, end in activity.at_work_in(started_ns, ended_ns))


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_steady_share_is_at_work_all_the_time_however_coarse_the_clock(share: float, workers: int) -> None:
    activity = record(workers, share, length_ms=5000).activity()
    assert at_work_ns(activity, 0, 5000 * MS) == 5000 * MS
    assert activity.amount(0, 5000 * MS) == pytest.approx(100 * share, abs=0.3)


def test_workers_whose_count_stands_still_are_at_rest() -> None:
    recorder = record(1, 1.0, length_ms=1000)
    for at_ms in range(1050, 3001, 50):
        recorder.read(at_ms * MS, 1000 * MS)
    activity = recorder.activity()
    assert at_work_ns(activity, 0, 1000 * MS) == 1000 * MS
    assert at_work_ns(activity, 1000 * MS, 3000 * MS) == 0


def test_a_stretch_too_short_to_judge_goes_with_the_sample_before_it() -> None:
    recorder = record(1, 1.0, length_ms=1000)
    recorder.read(1009 * MS, 1000 * MS)
    assert at_work_ns(recorder.activity(), 1000 * MS, 1009 * MS) == 9 * MS


def test_what_is_at_work_from_its_first_step_on_was_so_from_the_beginning() -> None:
    recorder = ActivityRecorder(cpu_share_of(2))
    recorder.begin(100 * MS, 0)
    recorder.read(104 * MS, 0)
    assert recorder.activity().first_onset_ns is None
    recorder.read(112 * MS, TICK_NS)
    assert recorder.activity().first_onset_ns == 100 * MS
    recorder.read(113 * MS, TICK_NS)
    assert at_work_ns(recorder.activity(), 112 * MS, 113 * MS) == 1 * MS


def test_a_second_window_adds_to_the_first_and_leaves_a_gap() -> None:
    recorder = record(1, 1.0, length_ms=100)
    recorder.end()
    recorder.begin(500 * MS, 7 * MS)
    recorder.read(600 * MS, 57 * MS)
    recorder.end()
    activity = recorder.activity()
    assert activity.amount(0, 100 * MS) == pytest.approx(100.0)
    assert activity.amount(100 * MS, 500 * MS) is None
    assert activity.amount(500 * MS, 600 * MS) == pytest.approx(50.0)


def test_nothing_is_known_before_the_second_reading() -> None:
    recorder = ActivityRecorder(cpu_share_of(1))
    assert recorder.activity().samples == ()
    recorder.begin(10, 0)
    assert recorder.activity().samples == ()


def test_a_count_is_turned_into_the_loads_own_unit() -> None:
    recorder = ActivityRecorder(Scale(1.0, full_amount=4.0, at_work_above=0.04))
    recorder.begin(0, 0)
    recorder.read(1000 * MS, 3_000_000_000)
    (sample,) = recorder.activity().samples
    assert (sample.amount, sample.target, sample.at_work) == (3.0, 4.0, True)


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0.0, 1.0)), min_size=1, max_size=40))
def test_the_target_is_what_was_due_on_the_average(steps: list[tuple[int, float]]) -> None:
    recorder = ActivityRecorder(Scale(1.0, full_amount=50.0, at_work_above=0.5))
    recorder.begin(0, 0)
    at_ns, due = 0, 0.0
    for step_ms, level in steps:
        at_ns += step_ms * MS
        due += 50.0 * level * step_ms * MS
        recorder.read(at_ns, at_ns, level=level)
    recorder.end()
    targets = [(one.ended_ns - one.started_ns, one.target or 0.0) for one in recorder.activity().samples]
    assert sum(ns * target for ns, target in targets) == pytest.approx(due, abs=1.0)


def test_a_load_without_an_amount_has_no_target_and_is_at_work_as_long_as_it_lives() -> None:
    recorder = ActivityRecorder(Scale(100.0, full_amount=None, at_work_above=None))
    recorder.begin(0, 0)
    for at_ms in range(50, 1001, 50):
        recorder.read(at_ms * MS, 0)
    recorder.read(1030 * MS, 0, is_alive=False)
    for at_ms in range(1050, 2001, 50):
        recorder.read(at_ms * MS, 0, is_alive=False)
    activity = recorder.activity()
    assert at_work_ns(activity, 0, 2000 * MS) == 1030 * MS
    assert {one.target for one in activity.samples} == {None}
    assert all(one.ended_ns - one.started_ns <= 2 * SILENCE_NS for one in activity.samples)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(0, 1000),
)
def test_nothing_is_lost_or_invented(steps: list[tuple[int, int]], workers: int, before: int) -> None:
    recorder = ActivityRecorder(cpu_share_of(workers))
    recorder.begin(0, before * TICK_NS)
    at_ms = list(accumulate(step for step, _ in steps))
    used = list(accumulate(used for _, used in steps))
    for now_ms, spent in zip(at_ms, used, strict=True):
        recorder.read(now_ms * MS, (before + spent) * TICK_NS)
    while_open = recorder.activity().samples
    recorder.end()
    samples = recorder.activity().samples
    assert samples == while_open
    total = sum((s.ended_ns - s.started_ns) * workers * s.amount / 100 for s in samples)
    assert total == pytest.approx(used[-1] * TICK_NS)
    assert (samples[0].started_ns, samples[-1].ended_ns) == (0, at_ms[-1] * MS)
    assert all(a.ended_ns == b.started_ns for a, b in pairwise(samples))
    assert len(samples) == 1 or all(s.ended_ns - s.started_ns >= SAMPLE_NS for s in samples)
