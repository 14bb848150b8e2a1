from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from halospec_server.sampling import Sampling, draw

logits = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12).map(lambda x: np.array(x, dtype=np.float32))
temperatures = st.floats(0.05, 2.0)
masses = st.floats(0.01, 1.0)
Row = NDArray[np.float32]


@given(logits, temperatures)
def test_temperature_alone_is_the_softmax(row: Row, temperature: float) -> None:
    scaled = np.exp(row.astype(np.float64) / temperature - (row.astype(np.float64) / temperature).max())
    np.testing.assert_allclose(Sampling(temperature).distribution(row), scaled / scaled.sum(), rtol=1e-9, atol=1e-300)


@given(logits, temperatures, masses)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_logits(row: Row, temperature: float, mass: float) -> None:
    p = Sampling(temperature, mass).distribution(row)
    assert p.sum() == pytest.approx(1.0)
    assert (p >= 0).all()
    assert (np.diff(p[np.argsort(row, kind="stable")]) >= -1e-12).all() or mass < 1.0
    # Logits closer than double precision can tell are one to the distribution.
    assert row[p.argmax()] == pytest.approx(row.max(), abs=1e-12)


@given(
    st.lists(st.integers(-60, 60), min_size=1, max_size=12),
    st.integers(-100, 100),
    temperatures,
    masses,
)
def test_a_shift_of_all_logits_changes_nothing(
    quarters: list[int], shift: int, temperature: float, mass: float
) -> None:
    row = np.array(quarters, dtype=np.float32) * np.float32(0.25)  # quarters: exact in float32, shifted or not
    sampling = Sampling(temperature, mass)
    np.testing.assert_array_equal(sampling.distribution(row), sampling.distribution(row + np.float32(shift)))


@given(logits, temperatures, st.floats(0.01, 0.99))
def test_the_nucleus_is_the_fewest_most_likely_tokens_that_reach_the_mass(
    row: Row, temperature: float, mass: float
) -> None:
    p = Sampling(temperature).distribution(row)
    nucleus = Sampling(temperature, mass).distribution(row)
    kept, dropped = np.flatnonzero(nucleus), np.flatnonzero(nucleus == 0)
    assert p[kept].sum() >= mass - 1e-9
    assert p[kept].sum() - p[kept].min() < mass + 1e-9, "one token fewer would have done"
    assert dropped.size == 0 or p[dropped].max() <= p[kept].min()
    np.testing.assert_allclose(nucleus[kept], p[kept] / p[kept].sum())


def test_a_nucleus_by_hand() -> None:
    row = np.log(np.array([0.1, 0.5, 0.15, 0.25], dtype=np.float32))
    np.testing.assert_allclose(Sampling(1.0, 0.7).distribution(row), [0, 2 / 3, 0, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(Sampling(1.0, 0.01).distribution(row), [0, 1, 0, 0])


@pytest.mark.parametrize("temperature", [1e-2, 1e-10, 5e-324])
def test_next_to_no_temperature_is_next_to_greedy(temperature: float) -> None:
    row = np.array([1.0, 30.0, -30.0, 29.0], dtype=np.float32)
    np.testing.assert_allclose(Sampling(temperature).distribution(row), [0, 1, 0, 0], atol=1e-40)


def test_a_banned_token_has_no_probability() -> None:
    row = np.array([0.0, -np.inf, 0.0], dtype=np.float32)
    assert Sampling(2.0).distribution(row).tolist() == [0.5, 0.0, 0.5]


def test_temperature_zero_alone_is_greedy() -> None:
    assert Sampling(0.0).greedy
    assert not Sampling(5e-324).greedy


weights = st.lists(st.sampled_from([0.0, 0.0, 1e-12, 0.3, 7.0]), min_size=1, max_size=8).filter(any)


@given(weights, st.integers(0, 2**32 - 1))
def test_a_token_without_weight_is_never_drawn(values: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert all(values[draw(np.array(values), rng)] > 0 for _ in range(20))


@pytest.mark.parametrize("point", [0.0, np.nextafter(1.0, 0.0)])
def test_neither_is_it_at_the_edges_of_the_unit_interval(point: float) -> None:
    class Edge(np.random.Generator):
        def random(self, *_args: object, **_options: object) -> float:  # type: ignore[override]
            return point

    edge = Edge(np.random.PCG64(0))
    assert draw(np.array([0.0, 0.1, 0.0, 0.7, 0.0]), edge) == (1 if point == 0.0 else 3)


def test_tokens_are_drawn_in_proportion_to_their_weights() -> None:
    rng = np.random.default_rng(3)
    counts = np.bincount([draw(np.array([2.0, 0.0, 6.0]), rng) for _ in range(4000)], minlength=3)
    assert counts[1] == 0
    assert counts[2] / 4000 == pytest.approx(0.75, abs=0.03)
