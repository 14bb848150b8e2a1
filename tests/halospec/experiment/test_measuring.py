"""Carrying out a plan until it is done, precise enough, or out of time. Server, knob and time are stand-ins."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

import halospec
from halospec.config import RunSettings
from halospec.endpoints.types import ChatRequest, Completion
from halospec.experiment.coverage import NOTHING_DONE, coverage_of
from halospec.experiment.knob_choice import KnobChoice
from halospec.experiment.measuring import Measuring, needs_more_blocks
from halospec.experiment.plan_file import read_plan, write_plan
from halospec.experiment.run_manifest import trial_ids_of, with_plan
from halospec.experiment.watching import RunTelemetry
from halospec.records.manifest import Status, read_manifest, write_manifest
from halospec.records.store import RunFiles, read_records
from halospec.telemetry.sources import DEFAULT_HZ
from made_runs import made_manifest
from stand_in_knobs import StandInKnob
from stand_in_runs import Ledger, PretendedTime

pytestmark = pytest.mark.anyio

TOKENS = 11
FIRST_TOKEN_S, TOKEN_S = 0.1, 0.01


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def _disk_that_never_waits(monkeypatch):
    """What is measured here is not whether a disk keeps what it says it keeps."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@dataclass
class NoisyServer:
    """A stand-in whose time per token scatters log-normally, by so much, and does not depend on k."""

    clock: PretendedTime
    scatter: float
    asked: list[ChatRequest] = field(default_factory=list)
    noise: random.Random = field(default_factory=lambda: random.Random(1))

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        self.asked.append(request)
        await self.clock.sleep(FIRST_TOKEN_S)
        first_ns = self.clock()
        await self.clock.sleep((TOKENS - 1) * TOKEN_S * self.noise.lognormvariate(0, self.scatter))
        return Completion("ok", "length", TOKENS, event_ns=(first_ns, self.clock()))


@dataclass
class Watcher(Ledger):
    """Keeps what a person would be told."""

    said: list[str] = field(default_factory=list)
    planned: list[int | None] = field(default_factory=list)

    def run_planned(self, choice, requests):
        self.planned.append(requests)

    def run_extended(self, requests):
        self.planned.append(requests)

    def told(self, sentence):
        self.said.append(sentence)


@dataclass
class Bench:
    """A run in a directory, as a session hands it over to be measured."""

    directory: Path
    settings: RunSettings
    scatter: float = 0.1
    caches: bool = False
    watcher: Watcher = field(default_factory=Watcher)

    def __post_init__(self) -> None:
        self.files = RunFiles(self.directory)
        plan = self.settings.plan()
        write_plan(plan, self.files.plan)
        manifest = with_plan(made_manifest((), halospec=halospec.__version__, started_at=datetime.now(UTC)), plan)
        write_manifest(manifest.model_copy(update={"status": Status.RUNNING}), self.files.manifest)

    @property
    def plan(self):
        return read_plan(self.files.plan)

    @property
    def manifest(self):
        return read_manifest(self.files.manifest)

    @property
    def records(self):
        return read_records(self.directory).records if self.files.records.exists() else ()

    async def measure(self) -> str | None:
        """Run what the directory lacks of its plan."""
        last_ns = max((record.ended_ns for record in self.records), default=0)
        clock = PretendedTime(last_ns + 1)
        server = NoisyServer(clock, self.scatter, noise=random.Random(last_ns))

        @asynccontextmanager
        async def endpoint(_knob):
            yield server

        dialect = SimpleNamespace(cache_prompt=not self.caches)
        target = SimpleNamespace(clock=clock, server=SimpleNamespace(dialect=dialect), endpoint=endpoint)
        progress = coverage_of(self.plan, trial_ids_of(self.manifest), self.records) if self.records else NOTHING_DONE
        choice = KnobChoice(StandInKnob(), None)
        telemetry = RunTelemetry(DEFAULT_HZ, clock)
        measuring = Measuring(
            self.settings, self.plan, target, choice, self.manifest, self.files, self.watcher, telemetry
        )
        return await measuring.run(progress)


@pytest.fixture
def bench(tmp_path):
    def make(scatter: float = 0.1, *, caches: bool = False, **asked: object) -> Bench:
        wanted = {"modes": ("fixed_0", "fixed_2"), "phases": "steady:4", "warmup": 1, "design": "interleaved"} | asked
        settings = RunSettings.model_validate({"url": "http://127.0.0.1:1", "out": tmp_path / "run", **wanted})
        return Bench(tmp_path / "run", settings, scatter, caches)

    return make


async def test_without_a_precision_the_plan_is_carried_out_and_no_more(bench):
    run = bench(blocks=3)
    assert await run.measure() is None
    assert len(run.records) == 3 * 2 * (4 + 1)
    assert run.watcher.planned == [30]
    assert {record.nonce for record in run.records} == {None}


async def test_after_the_first_block_it_says_how_long_the_rest_takes_and_what_it_can_find(bench):
    run = bench(blocks=3)
    await run.measure()
    # 20 requests of 0.2 s, though replies might have had 64 tokens.
    assert run.watcher.said[0] == "The first block is done; about 4 s to go."
    assert any("will be found with 80 % power" in sentence for sentence in run.watcher.said)
    assert not any("--pilot" in sentence for sentence in run.watcher.said)


async def test_a_first_block_that_tells_nothing_of_the_scatter_promises_nothing(bench):
    run = bench(blocks=3, phases="steady:1")
    await run.measure()
    assert run.watcher.said == ["The first block is done; about 2 s to go."]


async def test_a_precision_is_reached_by_adding_blocks_that_the_files_know_of(bench):
    run = bench(precision=0.03, max_minutes=600.0)
    assert await run.measure() is None
    assert run.plan.blocks > 8
    assert {record.block for record in run.records} == set(range(1, run.plan.blocks + 1))
    assert [trial.block for trial in run.manifest.trials] == [trial.block for trial in run.plan.trials]
    assert all(trial.trial_id for trial in run.manifest.trials)
    assert "so the run ends" in run.watcher.said[-1]
    assert not needs_more_blocks(run.settings, run.plan, run.files)


async def test_blocks_that_are_added_are_those_that_a_longer_plan_would_have_had(bench):
    run = bench(precision=0.03, max_minutes=600.0)
    began = run.plan
    await run.measure()
    assert run.plan == began.with_blocks(run.plan.blocks)


async def test_a_precision_that_the_pilot_has_already_takes_no_block_more(bench):
    run = bench(scatter=0.001, precision=0.1, max_minutes=600.0)
    await run.measure()
    assert run.plan.blocks == 8


async def test_the_number_of_blocks_given_is_the_pilot(bench):
    run = bench(scatter=0.001, precision=0.1, max_minutes=600.0, blocks=5)
    await run.measure()
    assert run.plan.blocks == 5


async def test_a_wish_beyond_all_time_ends_with_the_time_and_never_plans_it_all(bench):
    run = bench(scatter=0.5, precision=0.0001, max_minutes=5.0)
    assert await run.measure() == "its time was up after 5 minutes"
    assert run.plan.blocks <= 800
    assert any("its time will be up before that" in sentence for sentence in run.watcher.said)
    assert "the precision that was asked for was not reached" in run.watcher.said[-1]
    assert "--resume" in run.watcher.said[-1]


async def test_no_trial_begins_after_the_time_and_one_that_has_begun_is_finished(bench):
    # A block takes 2 s.
    run = bench(scatter=0.0, blocks=10, max_minutes=5 / 60)
    assert await run.measure() == "its time was up after 0.0833333 minutes"
    assert {record.block for record in run.records} == {1, 2, 3}
    assert len(run.records) == 3 * 10
    assert "7 trials of 10 are left" in run.watcher.said[-1]


async def test_a_run_that_goes_on_has_as_much_time_again_and_comes_to_its_end(bench):
    run = bench(scatter=0.0, blocks=5, max_minutes=5 / 60)
    await run.measure()
    assert await run.measure() is None
    assert {record.block for record in run.records} == {1, 2, 3, 4, 5}
    assert len(run.records) == 5 * 10


async def test_a_precise_run_whose_time_was_up_goes_on_to_the_same_plan(bench):
    run = bench(precision=0.03, max_minutes=12 / 60)
    assert await run.measure() is not None
    assert run.plan.blocks == 8
    assert len({record.block for record in run.records}) < 8
    for _ in range(100):
        if await run.measure() is None:
            break
    assert not needs_more_blocks(run.settings, run.plan, run.files)
    places = [(r.block, r.step, r.mode) for r in run.records if not r.is_warmup]
    assert len(places) == len(set(places)) == run.plan.blocks * 4 * 2


@pytest.mark.parametrize(("caches", "asked", "begin"), [(True, None, True), (False, None, False), (True, False, False)])
async def test_words_of_their_own_come_before_prompts_where_the_server_s_cache_cannot_be_kept_out(
    bench, caches, asked, begin
):
    run = bench(caches=caches, nonce=asked)
    await run.measure()
    nonces = [record.nonce for record in run.records]
    assert (None not in nonces) is begin
    assert len(set(nonces)) == (len(nonces) if begin else 1)
