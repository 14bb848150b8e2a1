from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.activity import Activity, ActivitySample, phase_of
from halospec.records.schema import Phase

BURST = Activity((ActivitySample(100, 150, 80.0), ActivitySample(150, 200, 40.0)))


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    samples, now_ns = [], 0
    for _ in range(draw(st.integers(0, 8))):
        started_ns = now_ns + draw(st.integers(0, 50))
        now_ns = started_ns + draw(st.integers(1, 50))
        samples.append(ActivitySample(started_ns, now_ns, draw(st.sampled_from([0.0, 0.5, 1.0, 1.5, 60.0, 103.0]))))
    return Activity(tuple(samples))


instants = st.integers(0, 600)


@given(activities(), instants, instants)
def test_overlap_is_a_share(activity: Activity, one: int, other: int) -> None:
    assert 0.0 <= activity.overlap(min(one, other), max(one, other)) <= 1.0


@given(activities(), st.lists(instants, min_size=3, max_size=3, unique=True).map(sorted))
def test_the_time_at_work_in_adjacent_intervals_adds_up(activity: Activity, cuts: list[int]) -> None:
    a, b, c = cuts
    apart = activity.overlap(a, b) * (b - a) + activity.overlap(b, c) * (c - b)
    assert activity.overlap(a, c) * (c - a) == pytest.approx(apart)


@given(activities(), instants, instants)
def test_overlap_counts_the_nanoseconds_at_work(activity: Activity, one: int, other: int) -> None:
    started_ns, ended_ns = min(one, other), max(one, other) + 1
    at_work = sum(
        any(s.started_ns <= t < s.ended_ns and s.at_work for s in activity.samples) for t in range(started_ns, ended_ns)
    )
    assert activity.overlap(started_ns, ended_ns) == pytest.approx(at_work / (ended_ns - started_ns))


@given(activities(), instants, instants)
def test_the_achieved_percent_lies_between_the_samples_extremes(activity: Activity, one: int, other: int) -> None:
    percent = activity.percent(min(one, other), max(one, other))
    if percent is not None:
        got = [sample.cpu_percent for sample in activity.samples]
        assert min(got) - 1e-9 <= percent <= max(got) + 1e-9


@given(activities())
def test_some_time_is_at_work_exactly_if_there_is_an_onset(activity: Activity) -> None:
    assert (activity.first_onset_ns is not None) == (activity.overlap(0, 1000) > 0)


@given(activities(), instants, instants)
def test_the_phase_follows_overlap_and_onset(activity: Activity, one: int, other: int) -> None:
    started_ns, ended_ns = min(one, other), max(one, other)
    phase = phase_of(activity, started_ns, ended_ns)
    assert (phase is Phase.LOAD) == (activity.overlap(started_ns, ended_ns) >= 0.5)
    if phase is Phase.RECOVERY:
        assert activity.first_onset_ns is not None
        assert activity.first_onset_ns <= started_ns


@pytest.mark.parametrize(
    ("started_ns", "ended_ns", "phase"),
    [
        (0, 90, Phase.STEADY),
        (60, 139, Phase.STEADY),
        (60, 140, Phase.LOAD),
        (120, 180, Phase.LOAD),
        (0, 300, Phase.STEADY),
        (160, 240, Phase.LOAD),
        (161, 240, Phase.RECOVERY),
        (250, 300, Phase.RECOVERY),
    ],
)
def test_phase_of_a_request_around_a_burst(started_ns: int, ended_ns: int, phase: Phase) -> None:
    assert phase_of(BURST, started_ns, ended_ns) is phase


def test_without_activity_all_is_steady() -> None:
    assert phase_of(Activity(), 0, 100) is Phase.STEADY
    assert Activity().overlap(0, 100) == 0.0
    assert Activity().percent(0, 100) is None
    assert Activity().first_onset_ns is None


def test_burners_that_got_next_to_nothing_were_not_at_work_but_are_in_the_achieved_percent() -> None:
    starved = Activity((ActivitySample(0, 100, 1.0), ActivitySample(100, 200, 61.0)))
    assert starved.overlap(0, 200) == 0.5
    assert starved.first_onset_ns == 100
    assert starved.percent(0, 200) == pytest.approx(31.0)


def test_the_achieved_percent_is_weighted_by_time_and_leaves_out_what_no_sample_covers() -> None:
    assert BURST.percent(125, 1000) == pytest.approx((25 * 80 + 50 * 40) / 75)
    assert BURST.percent(200, 300) is None


def test_an_instant_is_in_or_out() -> None:
    assert BURST.overlap(100, 100) == 1.0
    assert BURST.overlap(200, 200) == 0.0


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot end at 1 ns"):
        BURST.overlap(2, 1)
    with pytest.raises(ValueError, match="cannot end at 5 ns"):
        ActivitySample(5, 5, 10.0)


def test_samples_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        Activity((ActivitySample(10, 20, 1.0), ActivitySample(19, 30, 1.0)))


@given(activities(), instants, instants)
def test_after_load_that_was_seen_before_nothing_is_steady_any_more(activity: Activity, one: int, other: int) -> None:
    started_ns, ended_ns = min(one, other), max(one, other)
    phase = phase_of(activity, started_ns, ended_ns)
    expected = Phase.RECOVERY if phase is Phase.STEADY else phase
    assert phase_of(activity, started_ns, ended_ns, load_seen=True) is expected
