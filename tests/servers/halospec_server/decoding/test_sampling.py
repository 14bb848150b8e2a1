from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from halospec_server.decoding.sampling import Sampling, draw
from plain_sampling import is_clear_cut, plain_distribution

Row = NDArray[np.float32]

# In eighths, so that ties are common and what is no tie differs by more than rounding can hide.
rows = st.lists(st.integers(-80, 80), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32) / 8)
any_rows = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))
temperatures = st.floats(0.3, 2.0)
masses = st.floats(0.01, 0.99)
samplings = st.builds(
    Sampling,
    temperature=temperatures,
    top_p=masses | st.just(1.0),
    top_k=st.integers(0, 14),
    min_p=st.floats(0.001, 1.0) | st.just(0.0),
)


def wide_row(seed: int, n: int, spread: float) -> Row:
    return np.random.default_rng(seed).normal(0.0, spread, n).astype(np.float32)


@given(rows, samplings)
def test_temperature_top_k_top_p_and_min_p_in_this_order(row: Row, sampling: Sampling) -> None:
    assume(is_clear_cut(row, sampling))
    p, plain = sampling.distribution(row), plain_distribution(row, sampling)
    np.testing.assert_allclose(p, plain, atol=1e-5)
    assert ((p > 0) == (plain > 0)).all()


@given(st.integers(0, 99), st.floats(0.05, 6.0), samplings, st.sampled_from([0, 1, 40, 255, 2999, 3000, 5000]))
def test_so_it_is_in_a_vocabulary_of_thousands(seed: int, spread: float, sampling: Sampling, top_k: int) -> None:
    row = wide_row(seed, 3000, spread)
    sampling = replace(sampling, top_k=top_k)
    assume(is_clear_cut(row, sampling))
    np.testing.assert_allclose(sampling.distribution(row), plain_distribution(row, sampling), atol=1e-5)


@given(any_rows, samplings)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_logits(row: Row, sampling: Sampling) -> None:
    p = sampling.distribution(row)
    assert p.sum(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)
    assert (p >= 0).all()
    kept = np.flatnonzero(p)
    assert (np.diff(p[kept][np.argsort(row[kept], kind="stable")]) >= 0).all()
    # Logits closer than single precision can tell are one to the distribution.
    assert row[p.argmax()] == pytest.approx(row.max(), abs=1e-6)


@given(st.integers(0, 99), st.floats(0.05, 6.0), temperatures)
def test_without_thresholds_it_is_the_softmax(seed: int, spread: float, temperature: float) -> None:
    row = wide_row(seed, 3000, spread)
    plain = plain_distribution(row, Sampling(temperature))
    np.testing.assert_allclose(Sampling(temperature).distribution(row), plain, rtol=3e-5, atol=1e-30)


@given(rows, temperatures, st.integers(1, 12))
def test_top_k_keeps_k_tokens_of_equally_likely_ones_those_with_lower_ids(row: Row, temperature: float, k: int) -> None:
    kept = np.flatnonzero(Sampling(temperature, top_k=k).distribution(row))
    assert kept.tolist() == sorted(sorted(range(len(row)), key=lambda token: (-row[token], token))[:k])


@given(st.integers(0, 99), st.sampled_from([10, 300, 5000]), st.floats(0.0, 6.0), masses)
def test_the_nucleus_is_the_fewest_most_likely_tokens_that_reach_the_mass(
    seed: int, n: int, spread: float, mass: float
) -> None:
    row = wide_row(seed, n, spread)
    p = Sampling(1.0).distribution(row).astype(np.float64)
    nucleus = Sampling(1.0, mass).distribution(row)
    kept, dropped = np.flatnonzero(nucleus), np.flatnonzero(nucleus == 0)
    assert p[kept].sum() >= mass - 1e-6
    assert p[kept].sum() - p[kept].min() < mass + 1e-6, "one token fewer would have done"
    assert dropped.size == 0 or p[dropped].max() <= p[kept].min()
    np.testing.assert_allclose(nucleus[kept], p[kept] / p[kept].sum(), rtol=1e-5)


@given(rows, temperatures, st.floats(0.001, 1.0), samplings)
def test_min_p_is_relative_to_the_likeliest_token(
    row: Row, temperature: float, min_p: float, sampling: Sampling
) -> None:
    assume(is_clear_cut(row, Sampling(temperature, min_p=min_p)))
    sampling = replace(sampling, temperature=temperature, min_p=0.0)
    without = sampling.distribution(row)
    kept = replace(sampling, min_p=min_p).distribution(row) > 0
    assert ((without >= min_p * without.max()) == kept).all()


def test_thresholds_by_hand() -> None:
    row = np.log(np.array([0.1, 0.5, 0.15, 0.25], dtype=np.float32))
    np.testing.assert_allclose(Sampling(1.0, 0.7).distribution(row), [0, 2 / 3, 0, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(Sampling(1.0, 0.01).distribution(row), [0, 1, 0, 0])
    np.testing.assert_allclose(Sampling(1.0, top_k=2).distribution(row), [0, 2 / 3, 0, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(Sampling(1.0, min_p=0.4).distribution(row), [0, 2 / 3, 0, 1 / 3], rtol=1e-6)
    # 0.5 is two thirds of what top_k left, so it alone is the nucleus of 0.6.
    np.testing.assert_allclose(Sampling(1.0, 0.6, top_k=2).distribution(row), [0, 1, 0, 0])


def test_equally_likely_tokens_are_cut_from_the_highest_id_down() -> None:
    row = np.zeros(1000, dtype=np.float32)
    assert np.flatnonzero(Sampling(1.0, top_k=3).distribution(row)).tolist() == [0, 1, 2]
    assert np.flatnonzero(Sampling(1.0, top_p=0.0095).distribution(row)).tolist() == list(range(10))
    assert np.count_nonzero(Sampling(1.0, min_p=1.0).distribution(row)) == 1000


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=12), st.integers(-100, 100), samplings)
def test_a_shift_of_all_logits_changes_nothing(quarters: list[int], shift: int, sampling: Sampling) -> None:
    row = np.array(quarters, dtype=np.float32) * np.float32(0.25)  # quarters: exact in single precision, shifted or not
    np.testing.assert_array_equal(sampling.distribution(row), sampling.distribution(row + np.float32(shift)))


@given(rows, samplings)
def test_the_logits_are_left_as_they_were(row: Row, sampling: Sampling) -> None:
    before = row.copy()
    sampling.distribution(row)
    np.testing.assert_array_equal(row, before)


@pytest.mark.parametrize("temperature", [1e-2, 1e-10, 5e-324])
def test_next_to_no_temperature_is_next_to_greedy(temperature: float) -> None:
    row = np.array([1.0, 30.0, -30.0, 29.0], dtype=np.float32)
    np.testing.assert_allclose(Sampling(temperature).distribution(row), [0, 1, 0, 0], atol=1e-40)


@given(samplings)
def test_a_banned_token_has_no_probability(sampling: Sampling) -> None:
    row = np.array([0.0, -np.inf, 0.0], dtype=np.float32)
    assert sampling.distribution(row)[1] == 0.0
    assert Sampling(2.0).distribution(row).tolist() == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(broken: float) -> None:
    with pytest.raises(ValueError, match=f"the highest logit is {broken}"):
        Sampling(1.0).distribution(np.array([0.0, broken], dtype=np.float32))
    with pytest.raises(ValueError, match="the highest logit is -inf"):
        Sampling(1.0).distribution(np.full(2, -np.inf, dtype=np.float32))


def test_temperature_zero_alone_is_greedy() -> None:
    assert Sampling(0.0).greedy
    assert not Sampling(5e-324).greedy


ALMOST_ONE = float(np.nextafter(1.0, 0.0))


class At(np.random.Generator):
    """Draws one point of the unit interval again and again."""

    def __init__(self, point: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._point = point

    def random(self, *_args: object, **_options: object) -> float:  # type: ignore[override]
        return self._point


weights = st.lists(st.sampled_from([0.0, 0.0, 1e-12, 0.3, 7.0]), min_size=1, max_size=8).filter(any)


@given(weights, st.integers(0, 2**32 - 1))
def test_a_token_without_weight_is_never_drawn(values: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert all(values[draw(np.array(values), rng)] > 0 for _ in range(20))


@pytest.mark.parametrize("n", [5, 256, 257, 1000])
def test_neither_is_it_at_the_edges_of_the_unit_interval(n: int) -> None:
    values = np.zeros(n, dtype=np.float32)
    values[[1, n - 2]] = [0.1, 0.7]
    assert draw(values, At(0.0)) == 1
    assert draw(values, At(ALMOST_ONE)) == n - 2


@pytest.mark.parametrize("seed", range(30))
def test_nor_where_sums_formed_in_different_orders_differ(seed: int) -> None:
    values = np.random.default_rng(seed).random(700)
    values[[*range(200, 256), *range(400, 700)]] = 0.0
    assert values[draw(values, At(ALMOST_ONE))] > 0


@given(seed=st.integers(0, 99), n=st.integers(1, 2000), dense=st.booleans(), single=st.booleans())
def test_the_unit_interval_is_shared_out_in_the_order_of_ids(seed: int, n: int, dense: bool, single: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 100, n) * (rng.random(n) < (1.0 if dense else 0.02))
    assume(values.any())
    point = int(rng.integers(2**20)) / 2**20  # its product with a sum of whole numbers is exact
    expected = int(np.searchsorted(np.cumsum(values), point * values.sum(), side="right"))
    assert draw(values.astype(np.float32 if single else np.float64), At(point)) == expected


def test_tokens_are_drawn_in_proportion_to_their_weights() -> None:
    rng = np.random.default_rng(3)
    values = np.zeros(700)
    values[[0, 600]] = [2.0, 6.0]
    counts = np.bincount([draw(values, rng) for _ in range(4000)], minlength=700)
    assert counts[[0, 600]].sum() == 4000
    assert counts[600] / 4000 == pytest.approx(0.75, abs=0.03)
