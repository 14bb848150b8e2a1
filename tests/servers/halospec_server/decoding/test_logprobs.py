"""Log probabilities in the target's own distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax

from halospec_server.decoding.logprobs import logprob_of

Row = NDArray[np.float32]

# In halves, so that ties are common.
rows = st.lists(st.integers(-80, 80), min_size=1, max_size=30).map(lambda x: np.array(x, dtype=np.float32) / 2)


@given(rows, st.data())
def test_a_tokens_log_probability_is_its_log_softmax(row: Row, data: st.DataObject) -> None:
    token = data.draw(st.integers(0, len(row) - 1))
    result = logprob_of(row, token, 0)
    assert result.token == token
    assert result.logprob == pytest.approx(log_softmax(row.astype(np.float64))[token], abs=1e-5)
    assert result.logprob <= 0.0
    assert result.top == ()


@given(rows, st.integers(0, 35))
def test_alternatives_come_likeliest_first_and_of_equally_likely_ones_the_lower_id(row: Row, top: int) -> None:
    expected = sorted(range(len(row)), key=lambda token: (-row[token], token))[:top]
    result = logprob_of(row, 0, top)
    assert [token for token, _ in result.top] == expected
    assert [logprob for _, logprob in result.top] == [logprob_of(row, token, 0).logprob for token in expected]


@given(st.integers(0, 50), st.integers(1, 20))
def test_so_it_is_in_a_vocabulary_of_thousands(seed: int, top: int) -> None:
    row = np.random.default_rng(seed).normal(0, 3, 5000).astype(np.float32)
    result = logprob_of(row, 17, top)
    assert [token for token, _ in result.top] == np.argsort(-row, kind="stable")[:top].tolist()
    expected = log_softmax(row.astype(np.float64))
    np.testing.assert_allclose([logprob for _, logprob in result.top], np.sort(expected)[::-1][:top], atol=1e-5)


@pytest.mark.parametrize("height", [-1e30, 0.0, 1e30])
def test_logits_of_any_height_neither_overflow_nor_vanish(height: float) -> None:
    row = np.full(4, height, dtype=np.float32)
    assert logprob_of(row, 2, 1).logprob == pytest.approx(np.log(0.25))


def test_one_token_far_above_the_rest_is_certain() -> None:
    row = np.array([0.0, 1000.0, -1000.0], dtype=np.float32)
    result = logprob_of(row, 1, 3)
    assert result.logprob == 0.0
    assert result.top == ((1, 0.0), (0, -1000.0), (2, -2000.0))


def test_the_row_is_left_as_it_was() -> None:
    row = np.array([0.5, 1.5, 1.0], dtype=np.float32)
    logprob_of(row, 1, 2)
    assert row.tolist() == [0.5, 1.5, 1.0]
