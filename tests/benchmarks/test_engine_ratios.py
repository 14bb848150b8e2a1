"""Ratios are taken within repetitions, and their median is given with what it is worth."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_results import measurement
from engine_peers.plan import Cell
from engine_peers.ratios import CONFIDENCE, Measured, last_attempts, median_of

FINITE = st.floats(-1e6, 1e6)


class TestMedian:
    def test_of_five_values_is_surely_enough_between_their_extremes(self) -> None:
        found = median_of([3.0, 1.0, 5.0, 2.0, 4.0])
        assert (found.value, found.low, found.high, found.n) == (3.0, 1.0, 5.0, 5)

    def test_of_eight_values_leaves_the_extremes_out(self) -> None:
        found = median_of([8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0])
        assert (found.value, found.low, found.high) == (4.5, 2.0, 7.0)

    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    def test_of_too_few_values_has_no_interval(self, n: int) -> None:
        found = median_of([1.0] * n)
        assert (found.low, found.high) == (None, None)

    def test_of_no_values_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no values"):
            median_of([])

    @given(st.lists(FINITE, min_size=5, max_size=30))
    def test_lies_in_its_interval(self, values: list[float]) -> None:
        found = median_of(values)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= statistics.median(values) <= found.high

    @given(st.integers(5, 40))
    def test_has_the_narrowest_interval_that_is_sure_enough(self, n: int) -> None:
        found = median_of([float(i) for i in range(n)])
        assert found.low is not None
        below = int(found.low)
        chance = [math.comb(n, j) / 2**n for j in range(n + 1)]
        assert 1 - 2 * sum(chance[: below + 1]) >= CONFIDENCE
        assert 1 - 2 * sum(chance[: below + 2]) < CONFIDENCE


class TestRatio:
    ours, theirs = Cell("halospec", 4, 1), Cell("llama-server", 4, 1)

    def test_is_untouched_by_a_machine_that_slows_down_for_both(self) -> None:
        measured = Measured(
            [
                measurement(system, 4, repetition=repetition, ms_per_token=ms * slowdown)
                for repetition, slowdown in enumerate((1.0, 2.0, 10.0))
                for system, ms in (("halospec", 9.0), ("llama-server", 10.0))
            ]
        )
        found = measured.ratio(self.ours, self.theirs, lambda m: m.ms_per_token)
        assert found is not None
        assert found.value == pytest.approx(0.9)

    def test_leaves_out_repetitions_that_only_one_of_them_has(self) -> None:
        measured = Measured(
            [
                measurement("halospec", 4, repetition=0, ms_per_token=10),
                measurement("halospec", 4, repetition=1, ms_per_token=99),
                measurement("llama-server", 4, repetition=0, ms_per_token=20),
            ]
        )
        found = measured.ratio(self.ours, self.theirs, lambda m: m.ms_per_token)
        assert found is not None
        assert (found.value, found.n) == (0.5, 1)

    def test_of_what_was_not_measured_is_none(self) -> None:
        measured = Measured([measurement("halospec", 4)])
        assert measured.ratio(self.ours, self.theirs, lambda m: m.ms_per_token) is None
        assert measured.median(self.theirs, lambda m: m.ms_per_token) is None


class TestAttempts:
    def test_the_last_of_a_cells_and_repetitions_counts(self) -> None:
        measurements = [
            measurement("bare", 4, attempt=1, ms_per_token=30),
            measurement("halospec", 4, attempt=1, ms_per_token=11),
            measurement("bare", 4, attempt=2, ms_per_token=10),
            measurement("bare", 4, repetition=1, attempt=1, ms_per_token=12),
        ]
        counting = Measured(last_attempts(measurements))
        assert [m.ms_per_token for m in counting.of(Cell("bare", 4, 1))] == [10, 12]
        assert [m.ms_per_token for m in counting.of(Cell("halospec", 4, 1))] == [11]


class TestMeasurement:
    def test_time_per_token_is_a_ratio_of_sums_without_the_first_token(self) -> None:
        assert measurement(clients=2, ms_per_token=12.5, first_token_ms=500).ms_per_token == pytest.approx(12.5)

    def test_rate_counts_every_clients_tokens_over_the_wall_time(self) -> None:
        found = measurement(clients=4, ms_per_token=95, first_token_ms=50, tokens=11)
        assert found.tokens_per_s == pytest.approx(44.0)
