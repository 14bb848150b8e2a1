"""Telemetry beside a run: recorded into its directory, told of in its manifest, and stopped by a full disk.

Nobody is asked anything; the samplers are stand-ins, the thread, the clock and the files are real. Runs against a
server are in tests/e2e/test_telemetry.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from halospec.clock import start_clock
from halospec.config import RunSettings
from halospec.contention.loads import CpuLoad, Load
from halospec.contention.no_load import NoLoad
from halospec.contention.spelling import spelled
from halospec.execution import conclude
from halospec.experiment.watching import RunTelemetry, WatchedKeeping, telemetry_of
from halospec.records.manifest import read_manifest, write_manifest
from halospec.records.store import RunFiles, StoreError, read_records
from halospec.records.telemetry import IdlePower
from halospec.records.ticks import read_ticks
from halospec.telemetry.load_sampler import LoadSampler
from halospec.telemetry.opening import OpenSources
from halospec.telemetry.protocol import Column, Missing, Reading
from made_runs import made_manifest
from stand_in_runs import Ledger

pytestmark = pytest.mark.anyio

PATIENCE_S = 20.0
HZ = 50.0


@pytest.fixture
def anyio_backend():
    return "asyncio"


@dataclass
class StandInSampler:
    """A sampler of nothing: it counts its readings and fails when it is told to."""

    source: str = "a"
    fails_at: int | None = None
    columns: tuple[Column, ...] = (Column("b", "readings so far"),)
    readings: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Reading:
        self.readings += 1
        if self.readings >= 3:
            self.enough.set()
        if self.readings == self.fails_at:
            raise RuntimeError("the sensor fell off")
        return {"b": float(self.readings)}

    def close(self) -> None:
        pass


def telemetry(*samplers: StandInSampler) -> RunTelemetry:
    return RunTelemetry(HZ, start_clock(), OpenSources(samplers))


@pytest.fixture
def files(tmp_path) -> RunFiles:
    return RunFiles(tmp_path / "run")


def wait_for(sampler: StandInSampler) -> None:
    assert sampler.enough.wait(PATIENCE_S)


def test_a_run_is_recorded_between_its_first_and_its_last_request(files, make_record):
    sampler = StandInSampler()
    with WatchedKeeping(files, Ledger(), telemetry(sampler)) as keeping:
        keeping.request_ended(make_record())
        wait_for(sampler)
    readings = sampler.readings
    assert [tick.values for tick in read_ticks(files.telemetry_journal)] == [
        {"a.b": float(number)} for number in range(1, readings + 1)
    ]
    assert len(read_records(files.records).records) == 1


def test_a_run_that_goes_on_appends(files):
    for _ in range(2):
        sampler = StandInSampler()
        with WatchedKeeping(files, Ledger(), telemetry(sampler)):
            wait_for(sampler)
    values = [tick.values["a.b"] for tick in read_ticks(files.telemetry_journal)]
    assert values.count(1.0) == 2


@pytest.mark.parametrize("off", [RunTelemetry(HZ, start_clock()), telemetry()])
def test_without_anything_to_read_there_is_no_journal(files, off, make_record):
    with WatchedKeeping(files, Ledger(), off) as keeping:
        keeping.request_ended(make_record())
    assert not files.telemetry_journal.exists()
    assert len(read_records(files.records).records) == 1


def test_concluding_makes_a_table_where_there_is_a_journal(files, make_record):
    sampler = StandInSampler()
    with WatchedKeeping(files, Ledger(), telemetry(sampler)) as keeping:
        keeping.request_ended(make_record())
        wait_for(sampler)
    conclude(files.directory)
    assert pq.read_table(files.telemetry).num_rows == sampler.readings
    files.telemetry.unlink()
    files.telemetry_journal.unlink()
    conclude(files.directory)
    assert not files.telemetry.exists()


@pytest.mark.parametrize("loads", [(), (Load(CpuLoad(workers=1)),)])
async def test_a_run_that_can_read_nothing_says_so_before_it_begins(loads):
    sampler = LoadSampler(loads) if loads else None
    missing = (Missing("energy", "for root alone", "sudo chmod"), Missing("gpu", "none"))
    found = RunTelemetry(HZ, start_clock(), OpenSources((sampler,) if sampler else (), missing), sampler)
    told = []
    await found.account(told.append)
    assert told == ["Nothing that --telemetry names can be read here (energy: for root alone (sudo chmod); gpu: none)."]
    told.clear()
    await telemetry(StandInSampler()).account(told.append)
    assert told == []


@pytest.mark.parametrize(("hz", "sentences"), [(0.5, 1), (1.0, 1), (2.0, 0)])
async def test_readings_too_far_apart_for_energy_are_told_of(hz, sentences):
    counter = StandInSampler(columns=(Column("c", "joules", is_energy=True),))
    told = []
    found = RunTelemetry(hz, start_clock(), OpenSources((counter,)))
    await found.account(told.append, idle=IdlePower(watts=1.0, seconds=4.0))
    assert len(told) == sentences
    assert all("energy of requests cannot be known" in sentence for sentence in told)


async def test_what_fails_during_a_run_is_in_its_manifest(files):
    broken, whole = StandInSampler("gpu0", fails_at=2), StandInSampler()
    found = telemetry(broken, whole)
    account = await found.account(lambda _sentence: None)
    write_manifest(made_manifest(()).model_copy(update={"telemetry": account}), files.manifest)
    with WatchedKeeping(files, Ledger(), found):
        wait_for(whole)
    (line,) = read_manifest(files.manifest).telemetry.missing
    assert (line.source, line.reason) == ("gpu0", "it failed during the run: the sensor fell off")


def test_telemetry_that_cannot_be_kept_ends_the_run_when_a_request_has_ended(files, make_record, monkeypatch):
    def full(_self, _tick) -> None:
        raise StoreError("Cannot write telemetry.jsonl: No space left on device.")

    monkeypatch.setattr("halospec.telemetry.journal.TickJournal.add", full)
    with (
        pytest.raises(StoreError, match="No space left"),
        WatchedKeeping(files, Ledger(), telemetry(StandInSampler())) as keeping,
    ):
        until_told(lambda: keeping.request_ended(make_record()))
    assert read_records(files.records).records


def until_told(act: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        act()
        time.sleep(0.01)


def test_a_journal_that_cannot_be_opened_ends_the_run_before_it_begins(files):
    files.telemetry_journal.mkdir(parents=True)
    with pytest.raises(StoreError, match="Cannot open"):
        WatchedKeeping(files, Ledger(), telemetry(StandInSampler()))


def opened(tmp_path, loads: tuple[Load, ...], **asked: object):
    settings = RunSettings.model_validate({"url": "http://127.0.0.1:1", "out": tmp_path, **asked})
    target = SimpleNamespace(clock=start_clock(), server=SimpleNamespace(base_url="http://127.0.0.1:1/v1"))
    return telemetry_of(settings, SimpleNamespace(loads=loads), target)


async def test_only_what_was_asked_for_is_opened(tmp_path):
    with opened(tmp_path, (), telemetry=("host",)) as found:
        account = await found.account(lambda _sentence: None)
    sources = {column.name.partition(".")[0] for column in account.columns}
    assert sources == {"host"}
    assert account.idle is None


async def test_telemetry_that_is_off_has_no_account(tmp_path):
    with opened(tmp_path, (Load(CpuLoad(1)),), telemetry=()) as found:
        assert await found.account(lambda _sentence: None) is None
        injector = NoLoad()
        assert found.watched(injector) is injector


async def test_a_plans_loads_are_columns(tmp_path):
    load = Load(CpuLoad(1, 75.0))
    with opened(tmp_path, (load,), telemetry=("host",)) as found:
        account = await found.account(lambda _sentence: None)
        injector = NoLoad()
        assert found.watched(injector) is injector
    names = [column.name for column in account.columns]
    assert names[-2:] == [f"load.{spelled(load)}.amount", f"load.{spelled(load)}.target"]
