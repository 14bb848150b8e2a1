from pathlib import Path

import pytest

from halospec.analysis.loading import read_run, requests_of
from halospec.analysis.percentiles import TimePercentiles, percentiles
from halospec.analysis.request_times import RequestTime
from halospec.records.schema import Phase

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def of_latencies(make_record, latencies_ms, **fields):
    records = [make_record(step=step, latency_ms=ms, **fields) for step, ms in enumerate(latencies_ms, start=1)]
    (found,) = percentiles(requests_of(records))
    return found


def test_a_percentile_is_one_of_the_values_between_two_others(make_record):
    found = of_latencies(make_record, [float(ms) for ms in range(1, 101)])
    assert (found.time, found.mode, found.phase, found.requests) == (RequestTime.E2E, "fixed_2", Phase.STEADY, 100)
    p50, p95, p99 = found.percentiles
    assert (p50.value, p95.value) == (50.0, 95.0)
    # Binomial(100, 0.5): fewer than 40 values below the median with probability 0.018, fewer than 41 with 0.028.
    assert (p50.low, p50.high) == (40.0, 61.0)
    assert p95.low < 95.0 < p95.high <= 100.0
    assert (p99.value, p99.size) == (None, 100)


@pytest.mark.parametrize(("size", "supported"), [(5, []), (6, [50]), (71, [50]), (72, [50, 95]), (368, [50, 95, 99])])
def test_a_percentile_that_the_sample_is_too_small_for_has_no_value(make_record, size, supported):
    found = of_latencies(make_record, [float(ms) for ms in range(1, size + 1)])
    assert [one.percentile for one in found.percentiles if one.value is not None] == supported
    assert [one.needed for one in found.percentiles] == [6, 72, 368]


def test_each_time_that_is_known_is_described_per_mode_and_phase(make_record):
    times = {"ttft_ms": 20.0, "latency_ms": 120.0, "first_token_ns": 20_000_000, "ended_ns": 120_000_000}
    records = [
        make_record(**times, completion_tokens=11),
        make_record(**times, completion_tokens=1, step=2),
        make_record(ttft_ms=None, phase=Phase.LOAD, step=3),
        make_record(mode="fixed_0", ttft_ms=None),
        make_record(mode="fixed_0", success=False, error="stream cut", step=2),
        make_record(mode="fixed_0", phase=Phase.WARMUP),
    ]
    found = {(one.time, one.mode, one.phase): one.requests for one in percentiles(requests_of(records))}
    assert found == {
        (RequestTime.TTFT, "fixed_2", Phase.STEADY): 2,
        (RequestTime.TPOT, "fixed_2", Phase.STEADY): 1,
        (RequestTime.E2E, "fixed_0", Phase.STEADY): 1,
        (RequestTime.E2E, "fixed_2", Phase.STEADY): 2,
        (RequestTime.E2E, "fixed_2", Phase.LOAD): 1,
    }


def test_the_time_per_token_of_one_request_leaves_the_first_out(make_record):
    records = [
        make_record(step=step, first_token_ns=20_000_000, ended_ns=120_000_000, completion_tokens=11)
        for step in range(1, 7)
    ]
    (tpot, _) = percentiles(requests_of(records))
    assert tpot.percentiles[0].value == pytest.approx(10.0)


def test_the_recorded_run_is_too_short_for_high_percentiles():
    found = percentiles(read_run(DEMO).requests)
    assert len(found) == 3 * 5 * 3
    assert {one.value for row in found for one in row.percentiles[1:]} == {None}
    assert [TimePercentiles.model_validate_json(row.model_dump_json()) for row in found] == list(found)
