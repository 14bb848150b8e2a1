import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.statistics import (
    P95_IS_MAXIMUM_BELOW,
    acceptance,
    drafted_per_round,
    nearest_rank,
    spread,
    tokens_per_second,
    tpot_ms,
)
from summarized import measured

MS = 1_000_000


def test_spread_of_four_values_worked_by_hand():
    # mean (10+20+30+60)/4 = 30; deviations -20, -10, 0, 30: squares 400+100+0+900 = 1400, /4 = 350.
    found = spread([30, 10, 60, 20])

    assert found is not None
    assert (found.mean, found.median, found.p95) == (30, 25, 60)
    assert (found.minimum, found.maximum) == (10, 60)
    assert found.sd == pytest.approx(math.sqrt(350))
    assert found.score == pytest.approx(30 + 0.5 * 60 + 0.2 * math.sqrt(350))


def test_spread_of_one_value_has_no_width():
    found = spread([7.5])
    assert found is not None
    assert (found.mean, found.p95, found.sd) == (7.5, 7.5, 0)
    assert found.score == 7.5 * 1.5


def test_spread_of_nothing_is_none():
    assert spread([]) is None


@pytest.mark.parametrize(
    ("n", "percent", "rank"),
    [(1, 95, 1), (10, 95, 10), (19, 95, 19), (20, 95, 19), (100, 95, 95), (100, 7, 7), (5, 50, 3)],
)
def test_nearest_rank_is_the_value_at_rank_ceil_pn(n, percent, rank):
    assert nearest_rank(list(range(n, 0, -1)), percent) == rank


def test_p95_is_the_maximum_below_twenty_values_and_not_from_there():
    assert nearest_rank(range(P95_IS_MAXIMUM_BELOW - 1), 95) == P95_IS_MAXIMUM_BELOW - 2
    assert nearest_rank(range(P95_IS_MAXIMUM_BELOW), 95) < P95_IS_MAXIMUM_BELOW - 1


@given(values=st.lists(st.floats(0, 1e9), min_size=1), percent=st.integers(1, 100))
def test_at_least_p_percent_of_the_values_are_at_most_the_nearest_rank(values, percent):
    at_rank = nearest_rank(values, percent)
    assert at_rank in values
    assert Fraction(sum(value <= at_rank for value in values), len(values)) >= Fraction(percent, 100)


def test_tpot_is_a_ratio_of_sums_not_a_mean_of_ratios(make_record):
    # 100 ms for 10 further tokens and 900 ms for 30: 1000 / 40 = 25, where the mean of 10 and 30 would be 20.
    records = [
        make_record(first_token_ns=0, ended_ns=100 * MS, completion_tokens=11),
        make_record(first_token_ns=50 * MS, ended_ns=950 * MS, completion_tokens=31),
    ]
    assert tpot_ms(measured(records)) == 25


def test_tpot_leaves_out_replies_that_say_nothing_about_it(make_record):
    useful = make_record(first_token_ns=0, ended_ns=100 * MS, completion_tokens=11)
    one_token = make_record(first_token_ns=0, ended_ns=5 * MS, completion_tokens=1)
    not_streamed = make_record(first_token_ns=None, completion_tokens=50)
    uncounted = make_record(first_token_ns=0, completion_tokens=None)

    assert tpot_ms(measured([useful, one_token, not_streamed, uncounted])) == 10
    assert tpot_ms(measured([one_token, not_streamed, uncounted])) is None


def test_throughput_is_all_tokens_over_all_time(make_record):
    # (30 + 10) tokens in (1000 + 3000) ms; a reply of unknown length adds neither.
    records = [
        make_record(completion_tokens=30, latency_ms=1000),
        make_record(completion_tokens=10, latency_ms=3000),
        make_record(completion_tokens=None, latency_ms=9000),
    ]
    assert tokens_per_second(measured(records)) == 10
    assert tokens_per_second(measured(records[2:])) is None


def test_acceptance_is_a_ratio_of_sums(make_record):
    records = [make_record(drafted=10, accepted=9), make_record(drafted=30, accepted=11), make_record()]
    assert acceptance(measured(records)) == 0.5


def test_acceptance_of_nothing_drafted_does_not_exist(make_record):
    assert acceptance(measured([make_record(drafted=0, accepted=0)])) is None
    assert acceptance(measured([make_record()])) is None


def test_drafted_per_round_is_a_ratio_of_sums(make_record):
    records = [make_record(drafted=12, rounds=3), make_record(drafted=3, rounds=2), make_record(drafted=99)]
    assert drafted_per_round(measured(records)) == 3
    assert drafted_per_round(measured([make_record(drafted=0, rounds=0)])) is None
