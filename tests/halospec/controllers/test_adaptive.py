"""The original's rule, step by step, on sequences worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.adaptive import AdaptiveController, AdaptiveSettings
from halospec.controllers.calibration import CalibrationSettings, Thresholds, calibrate
from halospec.controllers.protocol import Outcome

THRESHOLDS = Thresholds(low_ms=100, high_ms=200)


def controller(thresholds: Thresholds = THRESHOLDS) -> AdaptiveController:
    return AdaptiveController(AdaptiveSettings(), thresholds)


def lengths(rule: AdaptiveController, latencies_ms: list[float | None]) -> list[int]:
    """k of every request, where None is a failure; the k that would come next closes the list."""
    chosen = []
    for latency_ms in latencies_ms:
        chosen.append(rule.choose())
        rule.update(Outcome(chosen[-1], success=latency_ms is not None, latency_ms=latency_ms or 5.0))
    return [*chosen, rule.choose()]


def test_it_starts_at_four_and_climbs_by_one_while_requests_are_fast():
    assert lengths(controller(), [50.0] * 6) == [4, 5, 6, 7, 8, 8, 8]


def test_it_falls_by_two_while_requests_are_slow_and_stops_at_one():
    assert lengths(controller(), [300.0] * 4) == [4, 2, 1, 1, 1]


def test_between_the_thresholds_it_climbs_to_six_and_stays():
    assert lengths(controller(), [150.0] * 5) == [4, 5, 6, 6, 6, 6]


def test_between_the_thresholds_it_does_not_come_down_from_eight():
    assert lengths(controller(), [50.0] * 4 + [150.0] * 6)[-1] == 8


def test_the_average_starts_at_the_first_success_and_takes_in_four_tenths_of_each_next_one():
    # 150; 0.4·300 + 0.6·150 = 210 > 200; 0.4·50 + 0.6·210 = 146; 0.4·20 + 0.6·146 = 95.6 < 100
    assert lengths(controller(), [150.0, 300.0, 50.0, 20.0]) == [4, 5, 3, 4, 5]


@pytest.mark.parametrize(("latency_ms", "then"), [(200.9, 5), (201.0, 2), (99.9, 5), (100.0, 5)])
def test_the_average_is_compared_in_whole_milliseconds(latency_ms, then):
    assert lengths(controller(), [latency_ms])[-1] == then


def test_after_a_failure_it_goes_on_from_one_and_the_average_stays():
    # The failure leaves the average at 50, so the next success (0.4·150 + 0.6·50 = 90 < 100) climbs.
    assert lengths(controller(), [50.0, None, 150.0]) == [4, 5, 1, 2]


def test_a_failure_before_any_success_leaves_no_average():
    assert lengths(controller(), [None, 150.0, 150.0]) == [4, 1, 2, 3]


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 1e6)), max_size=60))
def test_k_never_leaves_one_to_eight(latencies_ms):
    assert all(1 <= k <= 8 for k in lengths(controller(), latencies_ms))


def test_thresholds_are_cut_to_whole_milliseconds():
    # p50 of five is the third value, p95 the fifth: 0.85·101 = 85.85, 1.05·131 = 137.55
    assert calibrate([131.0, 90.0, 101.0, 120.0, 95.0], CalibrationSettings()) == Thresholds(85, 137)


def test_one_warm_up_request_is_both_percentiles():
    assert calibrate([100.0], CalibrationSettings()) == Thresholds(85, 105)


def test_without_a_successful_warm_up_the_original_constants_hold():
    assert calibrate([], CalibrationSettings()) == Thresholds(9000, 22000)
