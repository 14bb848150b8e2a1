"""The loads of the trial under way as columns. The injectors are stand-ins: no load is put on."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.contention.activity import Activity, ActivitySample
from halospec.contention.loads import CpuLoad, Load, ProcessLoad
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injected
from halospec.contention.spelling import spelled
from halospec.telemetry.load_sampler import LoadSampler

CPU = Load(CpuLoad(workers=2, percent=75.0))
COMMAND = Load(ProcessLoad(("true",)))


@dataclass
class StandInInjector:
    """An injector that says what a test tells it to."""

    injected: tuple[Injected, ...]
    running: bool = True


def did(load: Load, *amounts: tuple[float, float | None]) -> Injected:
    samples = (
        ActivitySample(place * 50, place * 50 + 50, amount, target=target)
        for place, (amount, target) in enumerate(amounts)
    )
    return Injected(load, Activity(tuple(samples)))


def test_the_latest_amount_and_target_of_each_load_are_read():
    sampler = LoadSampler((CPU, COMMAND))
    sampler.watch(StandInInjector((did(CPU, (10.0, 75.0), (70.1234, 75.0)), did(COMMAND, (120.0, None)))))
    assert sampler.read() == {
        f"{spelled(CPU)}.amount": 70.123,
        f"{spelled(CPU)}.target": 75.0,
        f"{spelled(COMMAND)}.amount": 120.0,
    }
    assert set(sampler.read()) == {column.name for column in sampler.columns}


def test_nothing_is_read_while_no_load_is_on():
    sampler = LoadSampler((CPU,))
    assert sampler.read() == {}
    injector = StandInInjector((did(CPU, (70.0, 75.0)),))
    assert sampler.watch(injector) is injector
    injector.running = False
    assert sampler.read() == {}
    sampler.watch(StandInInjector((did(CPU),)))
    assert sampler.read() == {}
    sampler.watch(NoLoad())
    assert sampler.read() == {}


def test_the_next_trials_injector_takes_the_place_of_the_last():
    sampler = LoadSampler((CPU,))
    sampler.watch(StandInInjector((did(CPU, (70.0, 75.0)),)))
    sampler.watch(StandInInjector((did(CPU, (20.0, 75.0)),)))
    assert sampler.read()[f"{spelled(CPU)}.amount"] == 20.0
    sampler.close()
    assert sampler.read() == {}
