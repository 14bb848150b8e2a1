from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from halospec.simulate.regret import in_hindsight, oracle_ms

KIND = np.array([0, 0, 1])
LOADED = np.array([False, False, True])


def one_seed(*rows: list[float]) -> np.ndarray:
    return np.array(rows)[:, np.newaxis, :]


def test_the_best_fixed_length_is_best_in_sum_and_the_oracles_in_each_kind():
    """k = 0: 10+10+20 = 40; k = 1: 8+8+30 = 46; k = 2: 9+9+25 = 43."""
    fixed = one_seed([10, 10, 20], [8, 8, 30], [9, 9, 25])
    hindsight = in_hindsight(fixed, KIND, LOADED)
    assert hindsight.best_fixed == 0
    assert hindsight.by_kind == (1, 0)
    assert (hindsight.best_quiet, hindsight.best_under_load) == (1, 0)
    assert oracle_ms(fixed, KIND, hindsight).tolist() == [[8, 8, 20]]


def test_the_best_is_chosen_by_the_mean_over_seeds_not_seed_by_seed():
    fixed = np.array([[[10.0], [10.0]], [[6.0], [13.0]]])
    hindsight = in_hindsight(fixed, np.array([0]), np.array([False]))
    assert hindsight.best_fixed == 1
    assert oracle_ms(fixed, np.array([0]), hindsight).tolist() == [[6.0], [13.0]]


def test_of_equal_lengths_the_shortest_is_best():
    fixed = one_seed([5, 5, 5], [5, 5, 5])
    hindsight = in_hindsight(fixed, KIND, LOADED)
    assert hindsight.best_fixed == 0
    assert hindsight.by_kind == (0, 0)


def test_without_load_there_is_no_best_under_load():
    hindsight = in_hindsight(one_seed([5, 5], [4, 6]), np.array([0, 0]), np.array([False, False]))
    assert hindsight.best_under_load is None
    assert hindsight.best_quiet == hindsight.best_fixed


@given(hnp.arrays(np.float64, (4, 3, 6), elements=st.floats(0.1, 100)))
def test_the_oracle_never_takes_longer_than_the_best_fixed_length(fixed):
    kind = np.array([0, 1, 2, 0, 1, 2])
    hindsight = in_hindsight(fixed, kind, kind == 2)
    oracle = oracle_ms(fixed, kind, hindsight).sum(axis=1).mean()
    best = fixed[hindsight.best_fixed].sum(axis=1).mean()
    assert oracle <= best * (1 + 1e-12)
    assert best <= fixed.sum(axis=2).mean(axis=1).min() * (1 + 1e-12)
