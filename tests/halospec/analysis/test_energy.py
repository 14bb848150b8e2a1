"""Energy of requests, by numbers that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.analysis.energy import energy
from halospec.analysis.loading import requests_of
from halospec.records.schema import Phase
from telemetry_by_hand import between, readings

TEN_HZ = [tick / 10 for tick in range(101)]


def steady_power(watts: float, *, idle_w: float | None = None):
    """A counter that grows by so many joules a second, for ten seconds."""
    return readings(
        TEN_HZ, {"energy.package-0_j": [watts * s for s in TEN_HZ]}, counters=["energy.package-0_j"], idle_w=idle_w
    )


def test_constant_power_is_joules_by_the_second_less_what_idling_draws(make_record):
    records = [
        between(make_record(completion_tokens=20), 1, 3),
        between(make_record(completion_tokens=30, step=2), 4, 5),
    ]
    found = energy(requests_of(records), steady_power(50, idle_w=20))
    assert found is not None
    (use,) = found.uses
    assert (found.counted, found.idle_w, found.idle_seconds) == (("energy.package-0_j",), 20, 5)
    assert (use.mode, use.phase, use.requests, use.overlapping, use.not_covered) == ("fixed_2", Phase.STEADY, 2, 0, 0)
    assert (use.seconds, use.joules, use.net_joules) == pytest.approx((3, 150, 90))
    assert (use.joules_per_request, use.net_joules_per_request) == pytest.approx((75, 45))
    assert (use.joules_per_token, use.net_joules_per_token) == pytest.approx((150 / 50, 90 / 50))
    assert (use.tokens_per_joule, use.tokens_per_net_joule) == pytest.approx((50 / 150, 50 / 90))
    assert (use.mean_power_w, use.peak_power_w) == pytest.approx((50, 50))


def test_a_token_s_energy_is_a_ratio_of_sums_not_a_mean_of_ratios(make_record):
    step = readings([0, 1, 2, 3], {"energy.package-0_j": [0, 100, 110, 120]}, counters=["energy.package-0_j"], idle_w=0)
    records = [
        between(make_record(completion_tokens=1), 0, 1),
        between(make_record(completion_tokens=99, step=2), 1, 2),
    ]
    (use,) = energy(requests_of(records), step).uses
    assert use.joules_per_token == pytest.approx(110 / 100)


def test_parts_with_a_counter_and_parts_with_a_gauge_are_summed(make_record):
    both = readings(
        TEN_HZ,
        {"energy.package-0_j": [30 * s for s in TEN_HZ], "gpu0.power_w": [100.0] * 101, "gpu1.power_w": [np.nan] * 101},
        counters=["energy.package-0_j"],
        gauges=["gpu0.power_w", "gpu1.power_w"],
        idle_w=50,
    )
    found = energy(requests_of([between(make_record(), 2, 4)]), both)
    assert found.counted == ("energy.package-0_j", "gpu0.power_w")
    assert (found.uses[0].joules, found.uses[0].net_joules) == pytest.approx((260, 160))


def test_where_less_was_drawn_than_when_idle_net_energy_is_below_nothing_and_stays_so(make_record):
    records = [between(make_record(), 1, 2), between(make_record(step=2), 3, 4)]
    (use,) = energy(requests_of(records), steady_power(10, idle_w=12)).uses
    assert (use.net_joules, use.net_joules_per_token) == pytest.approx((-4, -4 / 64))
    assert use.tokens_per_net_joule is None
    assert use.tokens_per_joule == pytest.approx(64 / 20)


def test_without_the_idle_power_there_is_no_net_energy(make_record):
    found = energy(requests_of([between(make_record(), 1, 2)]), steady_power(10))
    (use,) = found.uses
    assert (found.idle_w, use.joules, use.net_joules, use.net_joules_per_token) == (None, pytest.approx(10), None, None)
    assert use.tokens_per_net_joule is None


def test_requests_that_readings_do_not_cover_are_counted_and_given_no_energy(make_record):
    with_gap = readings(
        [0, 1, 2, 4, 5], {"energy.package-0_j": [0, 10, 20, 40, 50]}, counters=["energy.package-0_j"], idle_w=0
    )
    times = [(0.5, 1.5), (1.8, 2.2), (2.5, 3.5), (4, 4.5), (4.8, 5.2)]
    records = [between(make_record(step=step), *time) for step, time in enumerate(times, start=1)]
    (use,) = energy(requests_of(records), with_gap).uses
    assert (use.requests, use.not_covered, use.joules) == (5, 3, pytest.approx(15))
    (none,) = energy(requests_of(records[1:3]), with_gap).uses
    assert (none.not_covered, none.joules, none.net_joules, none.joules_per_token) == (2, None, None, None)
    assert (none.seconds, none.mean_power_w, none.peak_power_w) == (None, None, None)


def test_whose_energy_it_is_cannot_be_told_of_requests_at_the_same_time(make_record):
    records = [
        between(make_record(mode="fixed_0"), 1, 3),
        between(make_record(mode="fixed_2", success=False, error="HTTP 500"), 2, 4),
        between(make_record(mode="fixed_0", step=2), 5, 6),
        between(make_record(mode="fixed_4", phase=Phase.WARMUP), 7, 9),
        between(make_record(mode="fixed_4"), 8, 9),
    ]
    plain, other = energy(requests_of(records), steady_power(10, idle_w=0)).uses
    assert (plain.mode, plain.requests, plain.overlapping, plain.joules) == ("fixed_0", 2, 1, pytest.approx(10))
    assert (other.mode, other.requests, other.overlapping, other.joules) == ("fixed_4", 1, 1, None)


def test_only_successful_measured_requests_count(make_record):
    records = [
        between(make_record(phase=Phase.WARMUP), 0, 1),
        between(make_record(phase=Phase.LOAD), 2, 3),
        between(make_record(phase=Phase.LOAD, step=2, success=False, error="cut"), 4, 9),
    ]
    (use,) = energy(requests_of(records), steady_power(10, idle_w=0)).uses
    assert (use.phase, use.requests, use.joules) == (Phase.LOAD, 1, pytest.approx(10))


def test_a_request_whose_tokens_are_not_known_has_energy_but_none_per_token(make_record):
    records = [
        between(make_record(completion_tokens=10), 1, 2),
        between(make_record(step=2, completion_tokens=None), 3, 5),
    ]
    (use,) = energy(requests_of(records), steady_power(10, idle_w=0)).uses
    assert (use.joules, use.joules_per_token) == pytest.approx((30, 1))


def test_a_peak_lasts_half_a_second_and_lies_within_one_request(make_record):
    # 10 W, but 110 W from 3 s to 3.5 s, and 510 W from 6 s to 8 s, when no request ran.
    total, joules = 0.0, []
    for tick in range(101):
        joules.append(total)
        total += 0.1 * (110 if 30 <= tick < 35 else 510 if 60 <= tick < 80 else 10)
    found = readings(TEN_HZ, {"energy.package-0_j": joules}, counters=["energy.package-0_j"], idle_w=0)
    long = between(make_record(), 2, 5.5)
    assert energy(requests_of([long]), found).uses[0].peak_power_w == pytest.approx(110)
    short = between(make_record(), 2.9, 3.1)
    assert energy(requests_of([short]), found).uses[0].peak_power_w == pytest.approx(60)


def test_temperature_is_told_where_nothing_counts_energy(make_record):
    heat = readings(
        [0, 1, 2, 3],
        {"host.temperature_c": [50, 60, 55, 90], "gpu0.temperature_c": [40, 41, 70, 20], "host.cpu_percent": [99] * 4},
    )
    found = energy(requests_of([between(make_record(), 0.5, 2.5)]), heat)
    (use,) = found.uses
    assert (found.counted, use.joules, use.requests) == ((), None, 1)
    assert (use.peak_temperature_c, use.hottest) == (70, "gpu0.temperature_c")


def test_requests_shorter_than_the_time_between_readings_are_counted(make_record):
    records = [between(make_record(), 1.01, 1.05), between(make_record(step=2), 2, 3)]
    assert energy(requests_of(records), steady_power(10, idle_w=0)).within_one_reading == 1


@pytest.mark.parametrize(
    "telemetry",
    [
        None,
        readings([], {}),
        readings([0, 1], {"host.cpu_percent": [1, 2]}),
        readings([0, 1], {"energy.package-0_j": [np.nan, np.nan]}, counters=["energy.package-0_j"]),
        readings([0, 1], {"energy.package-0_j": [1, 2]}),
    ],
    ids=["no telemetry", "no readings", "no counter", "a counter never read", "a counter not to be summed"],
)
def test_where_nothing_counts_energy_nothing_is_said(make_record, telemetry):
    assert energy(requests_of([between(make_record(), 0, 1)]), telemetry) is None
