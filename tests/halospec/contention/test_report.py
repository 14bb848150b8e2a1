from __future__ import annotations

import json

import anyio.lowlevel
import pytest

from halospec.clock import Clock
from halospec.contention.activity import Activity, ActivitySample
from halospec.contention.cpu import CpuInjector, CpuLoadSettings
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injector
from halospec.contention.report import LoadReport, report


class RecordedLoad(NoLoad):
    """Keeps to the protocol; its load is a recording."""

    workers = 2
    offered_percent = 75.0
    activity = Activity((ActivitySample(100, 200, 70.04), ActivitySample(300, 600, 50.0)))


def test_a_load_is_reported_as_offered_and_as_achieved() -> None:
    line = report(RecordedLoad(), block=3, mode="fixed_4")
    assert (line.block, line.mode, line.workers, line.offered_percent) == (3, "fixed_4", 2, 75.0)
    assert line.achieved_percent == pytest.approx((70.04 * 100 + 50 * 300) / 400)
    assert (line.started_ns, line.ended_ns) == (100, 600)


def test_a_line_holds_its_samples_in_short_and_reads_back() -> None:
    line = report(RecordedLoad(), block=1, mode="adaptive")
    text = line.model_dump_json()
    assert json.loads(text)["samples"] == [[100, 200, 70.0], [300, 600, 50.0]]
    assert LoadReport.model_validate_json(text) == line


async def test_no_load_is_an_injector_that_never_does_anything() -> None:
    injector: Injector
    async with NoLoad() as injector:
        await injector.start()
        assert not injector.running
        assert injector.activity == Activity()
        await injector.stop()
    assert report(injector, block=1, mode="fixed_0") == LoadReport(
        block=1, mode="fixed_0", workers=0, offered_percent=0.0, achieved_percent=None
    )


async def test_a_load_that_was_never_started_achieved_nothing(clock: Clock) -> None:
    async with CpuInjector(CpuLoadSettings(workers=1, percent=75), clock) as injector:
        await anyio.lowlevel.checkpoint()
    line = report(injector, block=1, mode="fixed_0")
    assert (line.offered_percent, line.achieved_percent, line.samples) == (75.0, None, ())
