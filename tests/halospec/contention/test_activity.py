from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.activity import Activities, Activity, ActivitySample, phase_of
from halospec.records.schema import Phase


def cpu_sample(started_ns: int, ended_ns: int, percent: float) -> ActivitySample:
    return ActivitySample(started_ns, ended_ns, percent, at_work=percent > 1.0, target=100.0)


BURST = Activity((cpu_sample(100, 150, 80.0), cpu_sample(150, 200, 40.0)))


def alone(activity: Activity) -> Activities:
    return Activities((activity,), cpu={0: 2})


@st.composite
def activity(draw: st.DrawFn) -> Activity:
    samples, now_ns = [], 0
    for _ in range(draw(st.integers(0, 8))):
        started_ns = now_ns + draw(st.integers(0, 50))
        now_ns = started_ns + draw(st.integers(1, 50))
        samples.append(cpu_sample(started_ns, now_ns, draw(st.sampled_from([0.0, 0.5, 1.0, 1.5, 60.0, 103.0]))))
    return Activity(tuple(samples))


several = st.lists(activity(), max_size=3).map(lambda loads: Activities(tuple(loads)))
instants = st.integers(0, 600)


@given(several, instants, instants)
def test_overlap_is_a_share(activities: Activities, one: int, other: int) -> None:
    assert 0.0 <= activities.overlap(min(one, other), max(one, other)) <= 1.0


@given(several, st.lists(instants, min_size=3, max_size=3, unique=True).map(sorted))
def test_the_time_at_work_in_adjacent_intervals_adds_up(activities: Activities, cuts: list[int]) -> None:
    a, b, c = cuts
    apart = activities.overlap(a, b) * (b - a) + activities.overlap(b, c) * (c - b)
    assert activities.overlap(a, c) * (c - a) == pytest.approx(apart)


@given(several, instants, instants)
def test_overlap_counts_each_nanosecond_in_which_any_load_is_at_work_once(
    activities: Activities, one: int, other: int
) -> None:
    started_ns, ended_ns = min(one, other), max(one, other) + 1
    at_work = sum(
        any(s.started_ns <= t < s.ended_ns and s.at_work for load in activities.loads for s in load.samples)
        for t in range(started_ns, ended_ns)
    )
    assert activities.overlap(started_ns, ended_ns) == pytest.approx(at_work / (ended_ns - started_ns))


@given(activity(), instants, instants)
def test_the_achieved_amount_lies_between_the_samples_extremes(activity: Activity, one: int, other: int) -> None:
    amount = activity.amount(min(one, other), max(one, other))
    if amount is not None:
        got = [sample.amount for sample in activity.samples]
        assert min(got) - 1e-9 <= amount <= max(got) + 1e-9


@given(several)
def test_some_time_is_at_work_exactly_if_there_is_an_onset(activities: Activities) -> None:
    assert (activities.first_onset_ns is not None) == (activities.overlap(0, 1000) > 0)


@given(several)
def test_the_first_onset_is_that_of_the_load_that_came_first(activities: Activities) -> None:
    onsets = [load.first_onset_ns for load in activities.loads]
    assert activities.first_onset_ns == min((onset for onset in onsets if onset is not None), default=None)


@given(several, instants, instants)
def test_the_phase_follows_overlap_and_onset(activities: Activities, one: int, other: int) -> None:
    started_ns, ended_ns = min(one, other), max(one, other)
    phase = phase_of(activities, started_ns, ended_ns)
    assert (phase is Phase.LOAD) == (activities.overlap(started_ns, ended_ns) >= 0.5)
    if phase is Phase.RECOVERY:
        assert activities.first_onset_ns is not None
        assert activities.first_onset_ns <= started_ns


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
    assert phase_of(alone(BURST), started_ns, ended_ns) is phase


def test_loads_that_take_turns_make_one_load_phase() -> None:
    after = Activity((ActivitySample(200, 300, 4.0),))
    assert phase_of(Activities((BURST, after)), 120, 280) is Phase.LOAD
    assert Activities((BURST, after)).overlap(120, 280) == 1.0


def test_without_activity_all_is_steady() -> None:
    for nothing in (Activities(), alone(Activity())):
        assert phase_of(nothing, 0, 100) is Phase.STEADY
        assert nothing.overlap(0, 100) == 0.0
        assert nothing.cpu_percent(0, 100) is None
        assert nothing.first_onset_ns is None
    assert Activity().amount(0, 100) is None


def test_a_load_that_got_next_to_nothing_was_not_at_work_but_that_is_in_what_it_achieved() -> None:
    starved = Activity((cpu_sample(0, 100, 1.0), cpu_sample(100, 200, 61.0)))
    assert alone(starved).overlap(0, 200) == 0.5
    assert starved.first_onset_ns == 100
    assert starved.amount(0, 200) == pytest.approx(31.0)


def test_the_cpu_percent_is_that_of_the_load_which_is_a_share_of_the_cpu() -> None:
    copies = Activity((ActivitySample(100, 200, 4.0),))
    assert Activities((copies, BURST), cpu={1: 2}).cpu_percent(100, 200) == pytest.approx(60.0)
    assert Activities((copies,)).cpu_percent(100, 200) is None


def test_several_cpu_loads_count_by_their_workers() -> None:
    three = Activity((cpu_sample(100, 200, 20.0),))
    assert Activities((BURST, three), cpu={0: 1, 1: 3}).cpu_percent(100, 200) == pytest.approx((60 + 3 * 20) / 4)
    assert Activities((BURST, three), cpu={0: 1, 1: 3}).cpu_percent(200, 300) is None


def test_the_achieved_amount_is_weighted_by_time_and_leaves_out_what_no_sample_covers() -> None:
    assert BURST.amount(125, 1000) == pytest.approx((25 * 80 + 50 * 40) / 75)
    assert BURST.amount(200, 300) is None


def test_an_instant_is_in_or_out() -> None:
    assert alone(BURST).overlap(100, 100) == 1.0
    assert alone(BURST).overlap(200, 200) == 0.0


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot end at 1 ns"):
        alone(BURST).overlap(2, 1)
    with pytest.raises(ValueError, match="cannot end at 1 ns"):
        BURST.amount(2, 1)
    with pytest.raises(ValueError, match="cannot end at 5 ns"):
        ActivitySample(5, 5, 10.0)


@pytest.mark.parametrize("amount", [-0.1, float("nan")])
def test_an_amount_that_cannot_be_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="cannot have done"):
        ActivitySample(0, 5, amount)


def test_samples_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        Activity((ActivitySample(10, 20, 1.0), ActivitySample(19, 30, 1.0)))


@given(several, instants, instants)
def test_after_load_that_was_seen_before_nothing_is_steady_any_more(
    activities: Activities, one: int, other: int
) -> None:
    started_ns, ended_ns = min(one, other), max(one, other)
    phase = phase_of(activities, started_ns, ended_ns)
    expected = Phase.RECOVERY if phase is Phase.STEADY else phase
    assert phase_of(activities, started_ns, ended_ns, load_seen=True) is expected
