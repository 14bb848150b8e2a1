"""Which recorded rounds a simulated one is charged for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.simulate.costs import CostReplay, Moment, ThreadSetting
from halospec.simulate.errors import CannotSimulate
from small_recordings import cost_table, recorded, recording

OWN = ThreadSetting(2, 2)


def timeline(rows, stretch: int = 1):
    return CostReplay(recording(rows), stretch).timeline(0, OWN)


def one_length(verify_ms, k: int = 0):
    return [("quiet", 2, 2, k, min(k, 1), 5.0 * k, 0.0, value) for value in verify_ms]


def moments(length: int, stretch: int):
    """Return every place with every chance, each as often as any other."""
    return [
        Moment((place + 0.5) / length, 0, (chance + 0.5) / stretch)
        for place in range(length)
        for chance in range(stretch)
    ]


@given(values=st.lists(st.floats(1, 1000, width=32), min_size=1, max_size=30), stretch=st.integers(1, 12))
def test_every_recorded_round_counts_the_same(values, stretch):
    stretch = min(stretch, len(values))
    drawn = timeline(one_length(values), stretch)
    verified = [drawn.round_ms(moment, 0, 1)[1] for moment in moments(len(values), stretch)]
    assert np.mean(verified) == pytest.approx(np.mean(values), rel=1e-5)


def test_means_are_kept_where_lengths_alternate_at_random():
    random = np.random.default_rng(3)
    k = random.integers(0, 9, 4000)
    verify_ms = (20 + 2 * k) * random.lognormal(0, 0.2, 4000)
    rows = [("quiet", 2, 2, int(a), 1 if a else 0, 5.0 * a, 0.0, float(b)) for a, b in zip(k, verify_ms, strict=True)]
    drawn = timeline(rows, stretch=64)
    for length in range(9):
        simulated = [drawn.round_ms(Moment(*random.random(1), 0, random.random()), length, 1)[1] for _ in range(4000)]
        assert np.mean(simulated) == pytest.approx(verify_ms[k == length].mean(), rel=0.03)


def test_a_block_follows_the_recording_round_by_round():
    drawn = timeline(one_length([1, 2, 3, 4, 5]))
    verified = [drawn.round_ms(Moment(0.6, since, 0.0), 0, 1)[1] for since in range(5)]
    assert verified == [4, 5, 1, 2, 3], "after the last round comes the first"


def test_neighbours_are_taken_at_random_from_a_short_stretch():
    drawn = timeline(one_length(range(1, 101)), stretch=10)
    verified = {drawn.round_ms(Moment(0.5, 0, chance), 0, 1)[1] for chance in np.linspace(0, 0.999, 50)}
    assert verified == set(range(51, 61))


def test_where_the_stretch_has_no_such_round_the_next_one_is_taken():
    rows = [*one_length([1, 2, 3, 4], k=0), *one_length([50], k=1), *one_length([6], k=0)]
    drawn = timeline(rows, stretch=2)
    assert drawn.round_ms(Moment(0.0, 0, 0.9), 1, 1) == (5, 50)
    assert drawn.round_ms(Moment(0.0, 5, 0.9), 1, 1) == (5, 50), "round the ring"


def test_more_rounds_than_the_recording_has_go_round_again():
    drawn = timeline(one_length([1, 2, 3]), stretch=64)
    assert {drawn.round_ms(Moment(0.9, since, 0.999), 0, 1)[1] for since in range(50)} <= {1, 2, 3}


def test_first_passes_of_one_token_and_of_more_are_told_apart():
    drawn = timeline(cost_table())
    assert drawn.round_ms(Moment(0.0, 0, 0.0), 4, 1)[0] == 40
    assert drawn.round_ms(Moment(0.0, 0, 0.0), 4, 2)[0] == 41


def test_one_class_stands_for_the_other_where_only_it_was_recorded():
    assert timeline(one_length([7, 8], k=2)).round_ms(Moment(0.0, 0, 0.0), 2, 2) == (10, 7)


def test_between_recorded_lengths_the_mean_lies_on_a_line_and_the_noise_is_the_nearest_ones():
    noise = (0.9, 1.1)
    rows = [
        ("quiet", 2, 2, k, missed, 10.0 * k * factor, 0.0, (100.0 + k) * factor)
        for factor in noise
        for k, missed in ((0, 0), (2, 1), (6, 1))
    ]
    drawn = timeline(rows)
    for k, near in ((3, 2), (4, 2), (5, 6), (1, 2)):
        got = {drawn.round_ms(moment, k, 1) for moment in moments(len(rows), 1)}
        drafts, passes = zip(*sorted(got), strict=True)
        assert drafts == pytest.approx([10 * k * factor for factor in noise]), near
        assert passes == pytest.approx([(100 + k) * factor for factor in noise])


@pytest.mark.parametrize("k", [9, 16])
def test_beyond_the_longest_recorded_length_nothing_is_guessed(k):
    with pytest.raises(
        CannotSimulate, match=rf"k = {k} lies outside what was recorded for quiet with 2/2 threads \(k = 0"
    ):
        timeline(cost_table()).round_ms(Moment(0.0, 0, 0.0), k, 1)


def test_nor_below_the_shortest():
    with pytest.raises(CannotSimulate, match="k = 0 lies outside"):
        timeline(cost_table([2, 4])).round_ms(Moment(0.0, 0, 0.0), 0, 1)


def test_settings_of_the_threads_are_listed_with_the_servers_own_first():
    rows = [
        *cost_table(threads=(1, 1)),
        *cost_table(threads=(2, 1)),
        *cost_table(threads=(2, 2)),
        *cost_table(threads=(2, 2), condition="cpu:2"),
        *cost_table(threads=(1, 1), condition="cpu:2"),
    ]
    costs = CostReplay(recording(rows), 1)
    assert costs.settings(frozenset({0})) == ((2, 2), (1, 1), (2, 1))
    assert costs.settings(frozenset({0, 1})) == ((2, 2), (1, 1)), "only what was recorded under both"


def test_rows_of_other_conditions_and_threads_do_not_mix():
    rows = [
        row for pair in zip(one_length([1, 2]), cost_table([0], condition="cpu:1") * 2, strict=True) for row in pair
    ]
    assert recorded(rows).conditions == ("quiet", "cpu:1")
    drawn = timeline(rows)
    assert drawn.length == 2
    assert [drawn.round_ms(Moment(0.0, since, 0.0), 0, 1)[1] for since in range(2)] == [1, 2]


def test_what_a_missed_token_costs_is_kept_between_recorded_lengths_whichever_is_asked_for_first():
    rows = []
    for _ in range(5):
        for k in (2, 4):
            rows.append(("quiet", 2, 2, k, 1, 6.0 * k, 0.0, 20.0))
            rows.append(("quiet", 2, 2, k, 2, 6.0 * k + 5.0, 0.0, 20.0))
    drawn = timeline(rows)

    on_time = drawn.round_ms(Moment(0.1, 0, 0.0), 3, 1)[0]
    late = drawn.round_ms(Moment(0.1, 0, 0.0), 3, 2)[0]

    assert (on_time, late) == (pytest.approx(18.0), pytest.approx(23.0))
