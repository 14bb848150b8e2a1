"""All that a runner needs around it, with nothing behind it: a server, an injector, time, and whoever watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from halospec.clock import Clock
from halospec.contention.activity import Activities, Activity, ActivitySample
from halospec.contention.loads import CpuLoad, Load
from halospec.contention.protocol import ContentionError, Injected
from halospec.endpoints.types import ChatRequest, Completion, EndpointError
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Trial
from halospec.experiment.recording import Place
from halospec.knobs.types import Switch
from halospec.records.decisions import DecisionRecord, Reasons
from halospec.records.loads import LoadReport
from halospec.records.schema import Phase, RequestRecord


class PretendedTime:
    """A clock that moves by a microsecond with each reading, and by as much as anybody sleeps."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@dataclass
class StandInServer:
    """Answers with one round that accepts everything; fails where it is told to."""

    clock: Clock
    fails: Callable[[int], str | None] = lambda _number: None
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    takes_s: float = 0.001
    asked: list[tuple[ChatRequest, int | None]] = field(default_factory=list)
    explains: tuple[Reasons, ...] = ()

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        self.asked.append((request, draft_length))
        await self.sleep(self.takes_s)
        reason = self.fails(len(self.asked))
        if reason is not None:
            raise EndpointError(reason, retryable=False)
        k = draft_length or 0
        return Completion(
            text="ok", finish_reason="length", completion_tokens=k + 2, drafted=k, accepted=k, rounds=1,
            event_ns=(self.clock(),), decisions=self.explains if request.fields.get("explain") else (),
        )  # fmt: skip


class StandInInjector:
    """Claims that a burner gets 90 % of a core from start to stop; burns nothing."""

    load = Load(CpuLoad(workers=1))

    def __init__(self, clock: Clock, *, broken: bool = False) -> None:
        self.clock = clock
        self.broken = broken
        self.began: int | None = None
        self.done: tuple[ActivitySample, ...] = ()
        self.left = False

    running = property(lambda self: self.began is not None)

    @property
    def activity(self) -> Activity:
        now = () if self.began is None else (ActivitySample(self.began, self.clock(), 90.0, target=100.0),)
        return Activity(self.done + now)

    @property
    def injected(self) -> tuple[Injected, ...]:
        return (Injected(self.load, self.activity),)

    @property
    def activities(self) -> Activities:
        return Activities((self.activity,), cpu={0: 1})

    async def start(self) -> None:
        if self.broken:
            raise ContentionError("The load could not be started.")
        self.began = self.clock()

    async def stop(self) -> None:
        self.done, self.began = self.activity.samples, None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.stop()
        self.left = True


@dataclass
class Ledger:
    """Keeps what the runner reports."""

    sent: list[tuple[Place, int | None]] = field(default_factory=list)
    records: list[RequestRecord] = field(default_factory=list)
    loads: list[LoadReport] = field(default_factory=list)
    decisions: list[DecisionRecord] = field(default_factory=list)
    switches: list[tuple[Place, Switch]] = field(default_factory=list)

    def request_sent(self, place, draft_length):
        self.sent.append((place, draft_length))

    def decided(self, decision):
        self.decisions.append(decision)

    def request_ended(self, record):
        self.records.append(record)

    def server_switched(self, place, switch):
        self.switches.append((place, switch))

    def trial_ended(self, load):
        self.loads.append(load)


def id_of(trial: Trial) -> str:
    """Return an id that no other trial of a plan has; a real one is a hash."""
    return f"{trial.mode} in {trial.block}"


def planned_phase(phases: PhasePlan, step: int) -> Phase:
    """Return the phase that a step falls in where the load comes and goes exactly as a plan in steps says."""
    load = phases.load
    if load is None or load.start_step is None or step < load.start_step:
        return Phase.STEADY
    return Phase.LOAD if load.stop_step is None or step < load.stop_step else Phase.RECOVERY
