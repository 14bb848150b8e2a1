from __future__ import annotations

import math

import numpy as np
import pytest

from halospec.inference.comparisons import compare_to
from halospec.records.schema import Phase
from halospec.tuning.evidence import Basis, quotient_of, standings, sums_of_round

NOBODY = frozenset[int]()


def test_time_per_token_leaves_out_the_first_token_and_latency_does_not(answer_of):
    record = answer_of(2, 1, 1, 7.0)
    per_token, whole = quotient_of(record, Basis.TPOT), quotient_of(record, Basis.LATENCY)
    assert per_token.numerator / per_token.denominator == pytest.approx(7.0)
    assert (whole.numerator, whole.denominator) == (120.0, 1)


@pytest.mark.parametrize(
    "fields", [{"phase": Phase.WARMUP}, {"completion_tokens": 1}, {"completion_tokens": None}, {"first_token_ns": None}]
)
def test_what_has_no_time_per_token_counts_for_nothing(answer_of, fields):
    assert quotient_of(answer_of(2, 1, 1, 7.0, **fields), Basis.TPOT) is None


def test_a_challenger_is_judged_on_the_prompts_that_both_it_and_k_0_answered(answer_of):
    records = [
        answer_of(0, 1, 1, 10.0), answer_of(2, 1, 1, 5.0),
        answer_of(0, 1, 2, 40.0), answer_of(2, 1, 2, 20.0),
        answer_of(0, 1, 3, None), answer_of(2, 1, 3, 1.0),
        answer_of(0, 1, 4, 10.0), answer_of(2, 1, 4, None),
    ]  # fmt: skip
    (at,) = standings(records, [2], Basis.TPOT, NOBODY)
    assert at.log_ratio == pytest.approx(math.log(0.5))
    assert (at.pairs, at.asked) == (2, 4)


def test_all_rounds_so_far_count(answer_of):
    records = [answer_of(k, block, 1, tpot) for block in (1, 2) for k, tpot in ((0, 10.0), (3, 10.0 * block))]
    (at,) = standings(records, [3], Basis.TPOT, NOBODY)
    assert at.log_ratio == pytest.approx(math.log(2) / 2)


def test_one_that_never_answers_has_no_standing_and_one_that_misses_the_objectives_is_marked(answer_of):
    records = [answer_of(0, 1, 1, 10.0), answer_of(1, 1, 1, None), answer_of(2, 1, 1, 3.0)]
    failing, missing = standings(records, [1, 2], Basis.TPOT, frozenset({2}))
    assert failing.log_ratio is None
    assert failing.is_failing
    assert missing.misses_slo


def test_a_prompt_asked_twice_is_one_unit(answer_of):
    records = [answer_of(k, 3, step, 10.0, prompt_id=f"p{step % 3}") for k in (0, 2) for step in range(1, 5)]
    by_prompt = sums_of_round(records, range(3, 4), (0, 2), Basis.TPOT, by_prompt=True)
    assert by_prompt.denominator.shape == (3, 2, 1, 2)
    assert by_prompt.denominator.sum() == 8 * 10
    by_step = sums_of_round(records, range(3, 4), (0, 2), Basis.TPOT, by_prompt=False)
    assert by_step.denominator.shape == (4, 1, 1, 2)


def test_with_restarts_a_pass_is_one_unit_in_which_k_are_paired_by_prompt(answer_of):
    drift = {5: 1.0, 6: 3.0}
    records = [
        answer_of(k, block, step, drift[block] * step * (1.0 if k == 0 else 0.8))
        for block in drift
        for k in (0, 4)
        for step in (1, 2)
    ]
    sums = sums_of_round(records, range(5, 7), (0, 4), Basis.TPOT, by_prompt=True)
    assert sums.denominator.shape == (2, 2, 1, 2)
    found = compare_to(sums, 0)[0][1]
    assert found.blocks == 2
    assert found.value == pytest.approx(math.log(0.8))


def test_other_rounds_warm_up_and_failures_are_in_no_sum(answer_of):
    records = [
        answer_of(0, 1, 1, 99.0),
        answer_of(0, 2, 1, 10.0),
        answer_of(4, 2, 1, 5.0),
        answer_of(4, 2, 2, None),
        answer_of(4, 2, 1, 77.0, phase=Phase.WARMUP),
        answer_of(3, 2, 1, 66.0),
    ]
    sums = sums_of_round(records, range(2, 3), (0, 4), Basis.TPOT, by_prompt=True)
    assert np.array_equal(sums.numerator.sum(axis=(0, 1, 2)), [100.0, 50.0])
