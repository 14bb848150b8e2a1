"""Readings within intervals, and intervals that share time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.readings import highest, overlapping
from telemetry_by_hand import at


def test_the_highest_reading_is_looked_for_within_the_interval_alone():
    values = np.array([9.0, 1.0, 5.0, np.nan, 2.0])
    found = highest(at(0, 1, 2, 3, 4), values, at(0.5, 1.5, 2.5, 2.2, 4, 5), at(2, 4, 3.5, 2.8, 4, 6))
    np.testing.assert_array_equal(found, [5, 5, np.nan, np.nan, 2, np.nan])


def test_to_begin_as_another_ends_is_not_to_share_time():
    assert overlapping(at(0, 1, 5, 6), at(1, 2, 9, 7)).tolist() == [False, False, True, True]


def test_no_intervals_share_nothing():
    assert overlapping(at(), at()).tolist() == []


moments = st.integers(0, 20)
intervals = st.lists(st.tuples(moments, st.integers(1, 8)), min_size=1, max_size=12)


@given(intervals)
def test_sharing_is_what_comparing_each_with_each_finds(intervals):
    started = np.array([start for start, _ in intervals])
    ended = started + [length for _, length in intervals]
    by_hand = [
        any(started[i] < ended[j] and started[j] < ended[i] for j in range(len(started)) if j != i)
        for i in range(len(started))
    ]
    assert overlapping(started, ended).tolist() == by_hand


@given(intervals, st.lists(st.floats(-5, 5) | st.just(np.nan), min_size=1, max_size=25))
def test_the_highest_is_what_looking_at_each_finds(intervals, values):
    at_ns = np.arange(len(values))
    started = np.array([start for start, _ in intervals])
    ended = started + [length for _, length in intervals]
    by_hand = []
    for start, end in zip(started, ended, strict=True):
        seen = [value for value in values[start : end + 1] if not np.isnan(value)]
        by_hand.append(max(seen) if seen else np.nan)
    np.testing.assert_array_equal(highest(at_ns, np.array(values), started, ended), by_hand)
