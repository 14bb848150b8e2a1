"""The run's clock, and that of a run which goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from halospec.clock import resume_clock, start_clock

HOUR_NS = 3_600_000_000_000


def test_a_clock_begins_at_its_origin_and_never_goes_back():
    clock = start_clock(5 * HOUR_NS)
    readings = [clock() for _ in range(100)]
    assert readings == sorted(readings)
    assert 0 <= readings[0] - 5 * HOUR_NS < HOUR_NS


def test_a_run_that_goes_on_reads_the_time_since_its_start():
    reading = resume_clock(datetime.now(UTC) - timedelta(hours=2), last_ns=HOUR_NS)()
    assert 2 * HOUR_NS <= reading < 3 * HOUR_NS


@pytest.mark.parametrize("started", [timedelta(hours=2), timedelta(0), -timedelta(hours=2)])
def test_but_never_a_time_before_its_last_record_even_if_the_wall_clock_was_set_back(started):
    last_ns = 100 * HOUR_NS
    assert resume_clock(datetime.now(UTC) - started, last_ns)() > last_ns
