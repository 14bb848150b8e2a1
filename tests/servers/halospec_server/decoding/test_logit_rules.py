"""What a request does to logits before a token is chosen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sampling import Sampling, TokenIds

N = 12
Row = NDArray[np.float32]

tokens = st.integers(0, N - 1)
texts = st.lists(tokens, max_size=20)
penalties = st.floats(-2, 2, width=16)
biases = st.lists(st.tuples(tokens, st.floats(-100, 100, width=16)), max_size=4).map(tuple)
samplings = st.builds(
    Sampling,
    temperature=st.just(1.0),
    presence_penalty=penalties,
    frequency_penalty=penalties,
    logit_bias=biases,
)
rows = st.lists(st.floats(-30, 30, width=32), min_size=N, max_size=N).map(lambda x: np.array(x, dtype=np.float32))
bans = st.lists(tokens, max_size=3).map(lambda x: np.array(x, dtype=np.int64))
NOTHING_BANNED: TokenIds = np.array([], dtype=np.int64)


def shaped(rules: LogitRules, row: Row, drafted: list[int]) -> Row:
    result = row.copy()
    rules.apply(result, drafted)
    return result


@given(rows, samplings, bans, texts, texts)
def test_a_logit_gets_its_bias_and_pays_for_being_there_and_for_every_time(
    row: Row, sampling: Sampling, banned: TokenIds, text: list[int], drafted: list[int]
) -> None:
    rules = LogitRules(sampling, banned)
    rules.record(text)
    expected = row.astype(np.float64)
    for token, count in Counter(text + drafted).items():
        expected[token] -= sampling.presence_penalty + sampling.frequency_penalty * count
    for token, bias in sampling.logit_bias:
        expected[token] += bias
    expected[banned] = -np.inf
    np.testing.assert_allclose(shaped(rules, row, drafted), expected, rtol=1e-5, atol=1e-5)


@given(rows, samplings, bans, st.lists(texts, max_size=3), texts)
def test_drafted_tokens_count_to_the_last_bit_as_if_they_were_written(
    row: Row, sampling: Sampling, banned: TokenIds, written: list[list[int]], drafted: list[int]
) -> None:
    verifying, plain = LogitRules(sampling, banned), LogitRules(sampling, banned)
    for part in written:
        verifying.record(part)
        plain.record(part)
    for token in drafted:
        plain.record([token])
    np.testing.assert_array_equal(shaped(verifying, row, drafted), shaped(plain, row, []))


@given(rows, samplings, bans, texts, texts)
def test_what_was_drafted_is_forgotten(
    row: Row, sampling: Sampling, banned: TokenIds, text: list[int], drafted: list[int]
) -> None:
    rules = LogitRules(sampling, banned)
    rules.record(text)
    before = shaped(rules, row, [])
    shaped(rules, row, drafted)
    np.testing.assert_array_equal(shaped(rules, row, []), before)


@given(rows, samplings, bans, texts, texts, st.integers(1, N))
def test_a_narrower_row_gets_what_the_whole_one_gets(
    row: Row, sampling: Sampling, banned: TokenIds, text: list[int], drafted: list[int], width: int
) -> None:
    rules = LogitRules(sampling, banned)
    rules.record(text)
    np.testing.assert_array_equal(shaped(rules, row[:width], drafted), shaped(rules, row, drafted)[:width])


@given(rows, texts, texts)
def test_a_request_without_rules_changes_nothing(row: Row, text: list[int], drafted: list[int]) -> None:
    rules = LogitRules(Sampling(0.7, top_p=0.9, top_k=3, min_p=0.1), NOTHING_BANNED)
    assert not rules.active
    rules.record(text)
    np.testing.assert_array_equal(shaped(rules, row, drafted), row)


@pytest.mark.parametrize(
    "rules",
    [
        LogitRules(Sampling(0.0), np.array([2])),
        LogitRules(Sampling(0.0, presence_penalty=0.5), NOTHING_BANNED),
        LogitRules(Sampling(0.0, frequency_penalty=-0.5), NOTHING_BANNED),
        LogitRules(Sampling(0.0, logit_bias=((1, 2.0),)), NOTHING_BANNED),
    ],
)
def test_any_one_rule_is_reason_enough_to_apply_them(rules: LogitRules) -> None:
    assert rules.active


def test_a_bias_does_not_lift_a_ban_and_two_for_one_token_add_up() -> None:
    rules = LogitRules(Sampling(0.0, logit_bias=((0, 100.0), (1, 2.0), (1, 0.5))), np.array([0]))
    assert shaped(rules, np.zeros(3, dtype=np.float32), []).tolist() == [-np.inf, 2.5, 0.0]


def test_a_row_is_shaped_where_it_lies() -> None:
    passed = np.zeros((2, 4), dtype=np.float32)
    LogitRules(Sampling(0.0, frequency_penalty=1.0), np.array([3])).apply(passed[1], (2, 2))
    assert passed.tolist() == [[0, 0, 0, 0], [0, 0, -2, -np.inf]]
