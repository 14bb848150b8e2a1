from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from halospec_server.tracing.opinions import Untraceable, opinion

ROWS = arrays(np.float32, 12, elements=st.floats(-60, 60, width=32))


def logits(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities, dtype=np.float32)) + 3.0


def test_a_draft_of_the_same_mind_overlaps_wholly():
    row = logits(0.5, 0.3, 0.2)
    same = opinion(row, row)
    assert same.overlap == pytest.approx(1.0, abs=1e-6)
    assert (same.token, same.top_probability) == (0, pytest.approx(0.5, abs=1e-6))


def test_a_row_worked_out_by_hand():
    view = opinion(logits(0.7, 0.2, 0.1), logits(0.1, 0.5, 0.4))
    assert view.token == 1
    assert view.top_probability == pytest.approx(0.5, abs=1e-6)
    assert view.overlap == pytest.approx(0.1 + 0.2 + 0.1, abs=1e-6)
    assert view.entropy == pytest.approx(-(0.1 * math.log(0.1) + 0.5 * math.log(0.5) + 0.4 * math.log(0.4)), abs=1e-6)


def test_entropy_is_that_of_the_uniform_distribution_where_all_is_equal():
    assert opinion(logits(1, 1, 1, 1), logits(1, 1, 1, 1)).entropy == pytest.approx(math.log(4))


def test_certainty_has_no_entropy_and_what_is_impossible_no_share():
    certain = np.array([0.0, -np.inf, -1e4], dtype=np.float32)
    view = opinion(logits(0.25, 0.5, 0.25), certain)
    assert (view.token, view.top_probability, view.entropy) == (0, 1.0, 0.0)
    assert view.overlap == pytest.approx(0.25)


def test_nothing_beyond_the_targets_vocabulary_is_ever_proposed():
    view = opinion(logits(0.5, 0.5), logits(0.2, 0.3, 0.5))
    assert view.token == 1
    assert view.top_probability == pytest.approx(0.6)


def test_a_target_may_know_more_than_the_draft():
    assert opinion(logits(0.25, 0.25, 0.5), logits(0.5, 0.5)).overlap == pytest.approx(0.5)


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_told(worst):
    with pytest.raises(Untraceable, match="check the model file"):
        opinion(logits(0.5, 0.5), np.array([worst, 0.0], dtype=np.float32))


@given(target=ROWS, draft=ROWS)
def test_shares_are_shares_and_the_overlap_is_one_less_the_distance(target, draft):
    view = opinion(target, draft)
    assert 0.0 <= view.overlap <= 1.0
    assert 1 / 12 - 1e-9 <= view.top_probability <= 1.0
    assert 0.0 <= view.entropy <= math.log(12) + 1e-9
    assert opinion(draft, target).overlap == pytest.approx(view.overlap)
