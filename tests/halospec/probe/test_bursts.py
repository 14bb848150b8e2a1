from hypothesis import given
from hypothesis import strategies as st

from halospec.probe.bursts import arrives_at_once, bursts_of


def ns(*milliseconds: float) -> list[int]:
    return [round(ms * 1e6) for ms in milliseconds]


def test_events_far_closer_than_the_mean_gap_are_one_burst():
    bursts = bursts_of(ns(0, 0.1, 0.2, 30, 30.1, 30.3, 60, 60.1))

    assert bursts is not None
    assert bursts.count == 3
    assert bursts.within_ms is not None
    assert 0.1 <= bursts.within_ms <= 0.2
    assert bursts.between_ms is not None
    assert 29 < bursts.between_ms < 30


def test_evenly_spaced_events_are_no_bursts():
    bursts = bursts_of(ns(*(8.0 * n for n in range(32))))

    assert bursts is not None
    assert bursts.count == bursts.events == 32
    assert bursts.within_ms is None


def test_a_fast_server_is_not_one_burst_although_its_tokens_are_half_a_millisecond_apart():
    bursts = bursts_of(ns(*(0.4 * n for n in range(32))))

    assert bursts is not None
    assert bursts.count == 32


def test_bursts_of_a_fast_server_are_found_all_the_same():
    bursts = bursts_of(ns(*(3.0 * n + 0.1 * m for n in range(4) for m in range(8))))

    assert bursts is not None
    assert bursts.count == 4


def test_events_with_one_and_the_same_time_are_together():
    bursts = bursts_of(ns(0, 0, 0, 20, 20, 20))

    assert bursts is not None
    assert bursts.count == 2
    assert bursts.within_ms == 0


def test_two_events_show_no_pattern():
    assert bursts_of(ns(0, 30)) is None
    assert bursts_of([]) is None


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=3, max_size=40))
def test_there_are_never_more_bursts_than_events_and_never_none(gaps: list[int]):
    moments = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    bursts = bursts_of(moments)

    assert bursts is not None
    assert 1 <= bursts.count <= bursts.events == len(moments)


def test_a_stream_that_something_held_back_arrives_at_once():
    assert arrives_at_once(ns(900, 900.2, 900.3, 900.4), sent_ns=0)
    assert not arrives_at_once(ns(100, 110, 120, 130), sent_ns=0)


def test_one_event_or_none_is_no_stream_to_time():
    assert arrives_at_once(ns(100), sent_ns=0)
    assert arrives_at_once([], sent_ns=0)
