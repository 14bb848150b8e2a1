from __future__ import annotations

import json

import anyio.lowlevel
import pytest

from halospec.clock import Clock
from halospec.contention.activity import Activities, Activity, ActivitySample
from halospec.contention.loads import CpuLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injected, Injector
from halospec.contention.report import LoadReport, report
from halospec.contention.together import injector_for


class RecordedLoads(NoLoad):
    """Keeps to the protocol; its loads are recordings."""

    injected = (
        Injected(
            Load(CpuLoad(workers=2, percent=75.0)),
            Activity((ActivitySample(100, 200, 70.0404, target=75.0), ActivitySample(300, 600, 50.0, target=75.0))),
        ),
        Injected(Load(MemoryLoad(4.0)), Activity((ActivitySample(100, 500, 0.03, at_work=False, target=2.0),))),
        Injected(Load(ProcessLoad(("stress-ng", "--vm", "1"))), Activity((ActivitySample(100, 500, 99.0),))),
    )


def test_each_load_is_reported_as_offered_and_as_achieved() -> None:
    line = report(RecordedLoads(), block=3, mode="fixed_4")
    assert (line.block, line.mode) == (3, "fixed_4")
    cpu, memory, process = line.loads
    assert (cpu.kind, cpu.unit, cpu.workers, cpu.offered, cpu.target) == ("cpu", "%", 2, 75.0, 75.0)
    assert cpu.name == "cpu:75%@workers=2"
    assert cpu.achieved == pytest.approx((70.0404 * 100 + 50 * 300) / 400)
    assert (cpu.started_ns, cpu.ended_ns) == (100, 600)
    assert (memory.unit, memory.offered, memory.achieved, memory.target) == ("GB/s", 4.0, 0.03, 2.0)
    assert (process.name, process.offered, process.target) == ("process:stress-ng --vm 1", None, None)


def test_a_line_holds_its_samples_in_short_and_reads_back() -> None:
    line = report(RecordedLoads(), block=1, mode="adaptive")
    text = line.model_dump_json()
    cpu, memory, process = json.loads(text)["loads"]
    assert cpu["samples"] == [[100, 200, 70.04, 75.0, True], [300, 600, 50.0, 75.0, True]]
    assert memory["samples"] == [[100, 500, 0.03, 2.0, False]]
    assert process["samples"] == [[100, 500, 99.0, None, True]]
    assert LoadReport.model_validate_json(text) == line


def test_a_line_from_when_there_was_one_kind_is_read_as_what_it_was() -> None:
    old = {
        "block": 2,
        "mode": "fixed_0",
        "workers": 2,
        "offered_percent": 75.0,
        "achieved_percent": 60.5,
        "started_ns": 100,
        "ended_ns": 300,
        "samples": [[100, 200, 121.0], [200, 300, 0.4]],
        "trial_id": "t1",
        "steps": 7,
    }
    line = LoadReport.model_validate(old)
    (cpu,) = line.loads
    assert (cpu.name, cpu.kind, cpu.workers, cpu.offered, cpu.achieved) == ("cpu:75%@workers=2", "cpu", 2, 75.0, 60.5)
    assert cpu.samples == ((100, 200, 121.0, 75.0, True), (200, 300, 0.4, 75.0, False))
    assert (line.trial_id, line.steps) == ("t1", 7)
    assert LoadReport.model_validate(old | {"workers": 0, "offered_percent": 0.0, "samples": []}).loads == ()


async def test_no_load_is_an_injector_that_never_does_anything(clock: Clock) -> None:
    injector: Injector
    async with injector_for((), clock) as injector:
        await injector.start()
        assert not injector.running
        assert injector.activities == Activities()
        await injector.stop()
    assert report(injector, block=1, mode="fixed_0") == LoadReport(block=1, mode="fixed_0")


async def test_a_load_that_was_never_started_achieved_nothing(clock: Clock) -> None:
    async with injector_for((Load(CpuLoad(workers=1, percent=75)),), clock) as injector:
        await anyio.lowlevel.checkpoint()
    (cpu,) = report(injector, block=1, mode="fixed_0").loads
    assert (cpu.offered, cpu.achieved, cpu.target, cpu.samples) == (75.0, None, None, ())
