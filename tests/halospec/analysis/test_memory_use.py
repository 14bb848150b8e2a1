"""Peaks of the server's memory."""

from __future__ import annotations

import numpy as np

from halospec.analysis.loading import requests_of
from halospec.analysis.memory_use import memory_use
from halospec.records.schema import Phase
from telemetry_by_hand import between, readings

MB = 1_000_000


def records(make_record):
    """Two blocks of one mode: a steady request and one under load each, with pauses between."""
    phases = (Phase.STEADY, Phase.LOAD)
    return [
        between(make_record(block=block, phase=phase, step=1 + place), start, start + 1)
        for block in (1, 2)
        for place, phase in enumerate(phases)
        for start in [4 * (block - 1) + 2 * place]
    ]


def test_peaks_are_of_readings_during_requests_by_mode_and_by_trial(make_record):
    rss = [100, 110, 999, 120, 200, 150, 130, 300]
    telemetry = readings(
        [0.5, 1.0, 1.5, 2.5, 4.5, 5.0, 6.5, 7.0],
        {"server.rss_bytes": [MB * size for size in rss], "server.vram_bytes": [np.nan] * 7 + [5.0 * MB]},
    )
    found = memory_use(requests_of(records(make_record)), telemetry)
    assert [(peak.phase, peak.block, peak.rss_bytes) for peak in found.modes] == [
        (Phase.STEADY, None, 200 * MB),
        (Phase.LOAD, None, 300 * MB),
    ]
    assert [(peak.phase, peak.block, peak.rss_bytes) for peak in found.trials] == [
        (Phase.STEADY, 1, 110 * MB),
        (Phase.STEADY, 2, 200 * MB),
        (Phase.LOAD, 1, 120 * MB),
        (Phase.LOAD, 2, 300 * MB),
    ]
    assert [peak.vram_bytes for peak in found.modes] == [None, 5 * MB]


def test_requests_without_a_reading_are_counted(make_record):
    telemetry = readings([0.5, 2.5], {"server.rss_bytes": [MB, np.nan]})
    steady, load = memory_use(requests_of(records(make_record)), telemetry).modes
    assert (steady.requests, steady.unread, steady.rss_bytes) == (2, 1, MB)
    assert (load.requests, load.unread, load.rss_bytes) == (2, 2, None)


def test_the_memory_of_failed_requests_counts_and_that_of_the_warm_up_does_not(make_record):
    failed = between(make_record(success=False, error="HTTP 500"), 0, 1)
    warmup = between(make_record(phase=Phase.WARMUP), 2, 3)
    telemetry = readings([0.5, 2.5], {"server.rss_bytes": [MB, 9 * MB]})
    (peak,) = memory_use(requests_of([failed, warmup]), telemetry).modes
    assert peak.rss_bytes == MB


def test_a_server_that_was_never_found_has_no_peaks(make_record):
    seen = requests_of(records(make_record))
    assert memory_use(seen, None) is None
    assert memory_use(seen, readings([0.5, 2.5], {"host.cpu_percent": [1, 2]})) is None
    assert memory_use(seen, readings([30, 31], {"server.rss_bytes": [1, 2]})) is None
