from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halospec.simulate.bins import binned, bins_of, is_loaded, loaded_stretches, segment_label
from halospec.simulate.types import Scenario, Segment
from stand_in_simulations import QUIET_THEN_LOADED, STEADY, recording_unread, stated_times

BOTH_TWICE = Scenario(
    "twice", "", 10, (Segment(30, "quiet"), Segment(7, "cpu:2"), Segment(30, "quiet"), Segment(13, "cpu:2"))
)


def test_stretches_end_where_segments_end():
    bins = bins_of(BOTH_TWICE, bins=8)
    assert {0, 30, 37, 67, 80} <= set(bins.edges.tolist())
    assert bins.tokens.sum() == 80
    assert len(bins.kinds) == 2
    assert bins.tokens[bins.under_load].sum() == 20
    assert set(bins.kind[bins.edges[:-1] < 30].tolist()) == {0}


def test_more_stretches_than_tokens_are_not_made():
    bins = bins_of(Scenario("short", "", 5, (Segment(5, "quiet"),)), bins=100)
    assert bins.edges.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_rounds_time_is_shared_evenly_by_its_tokens_across_the_end_of_a_segment():
    """Two rounds of 5 and 3 tokens; the segment ends after 4, so one fifth of the first round is the next segment's."""
    scenario = Scenario("s", "", 8, (Segment(4, "quiet"), Segment(4, "cpu:2")))
    simulated = replace(
        stated_times(recording_unread(), scenario, "fixed_0", 0),
        tokens=np.array([8], np.int32),
        round_token=np.array([0, 5], np.int32),
        k=np.array([4, 2], np.int16),
        duration_ms=np.array([50.0, 12.0]),
        threads=np.array([2, 1], np.int16),
    )
    sums = binned(simulated, bins_of(scenario, bins=2))
    assert sums.ms.tolist() == pytest.approx([40.0, 22.0])
    assert sums.k.tolist() == pytest.approx([4.0, (4 + 3 * 2) / 4])
    assert sums.threads.tolist() == pytest.approx([2.0, (2 + 3 * 1) / 4])


def test_nothing_of_the_total_is_lost():
    simulated = stated_times(recording_unread(), QUIET_THEN_LOADED, "fixed_2", 3)
    assert binned(simulated, bins_of(QUIET_THEN_LOADED)).ms.sum() == pytest.approx(simulated.duration_ms.sum())


def test_a_simulation_that_ended_early_is_refused():
    simulated = stated_times(recording_unread(), Scenario("s", "", 10, (Segment(50, "quiet"),)), "fixed_0", 0)
    with pytest.raises(ValueError, match="ended after 50 of 100 tokens"):
        binned(simulated, bins_of(STEADY))


def test_a_drift_that_begins_or_ends_loaded_is_load():
    assert is_loaded(Segment(1, "quiet", load_until="cpu:2"))
    assert is_loaded(Segment(1, "cpu:2", load_until="quiet"))
    assert not is_loaded(Segment(1, "quiet"))


def test_neighbouring_loaded_segments_are_one_stretch():
    segments = (
        Segment(10, "quiet"),
        Segment(5, "cpu:1"),
        Segment(5, "cpu:2"),
        Segment(10, "quiet"),
        Segment(1, "cpu:1"),
    )
    assert loaded_stretches(segments) == ((10, 20), (30, 31))


def test_a_kind_of_segment_is_named_by_load_and_prompts():
    assert segment_label(Segment(1, "quiet")) == "quiet"
    assert segment_label(Segment(1, "quiet", "cpu:2", "hard")) == "quiet to cpu:2, prompts: hard"
