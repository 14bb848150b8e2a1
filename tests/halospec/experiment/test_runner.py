"""The loop, against an endpoint that is a stand-in for a server and an injector that loads nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest

from halospec.clock import start_clock
from halospec.contention.activity import Activity, ActivitySample
from halospec.contention.protocol import ContentionError
from halospec.contention.report import LoadReport
from halospec.endpoints.retry import RetryPolicy
from halospec.endpoints.types import ChatRequest, Completion, EndpointError
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Pauses, Plan, Trial
from halospec.experiment.recording import Place
from halospec.experiment.runner import Runner, Sampling, ServerGone
from halospec.knobs.types import KnobError, Switch
from halospec.records.schema import Phase, RequestRecord
from halospec.workloads.prompts import Prompt
from stand_in_knobs import StandInKnob, restarting

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@dataclass
class StandInServer:
    """Answers at once, with one round that accepts everything; fails where it is told to."""

    clock: Callable[[], int]
    fails: Callable[[int], str | None] = lambda _number: None
    asked: list[tuple[ChatRequest, int | None]] = field(default_factory=list)

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        self.asked.append((request, draft_length))
        await anyio.sleep(0.001)
        reason = self.fails(len(self.asked))
        if reason is not None:
            raise EndpointError(reason, retryable=False)
        k = draft_length or 0
        return Completion(
            text="ok", finish_reason="length", completion_tokens=k + 2, drafted=k, accepted=k, rounds=1,
            event_ns=(self.clock(),),
        )  # fmt: skip


class StandInInjector:
    """Claims activity from start to stop; burns nothing."""

    workers, offered_percent = 1, 100.0

    def __init__(self, clock: Callable[[], int], *, broken: bool = False) -> None:
        self.clock = clock
        self.broken = broken
        self.began: int | None = None
        self.done: tuple[ActivitySample, ...] = ()
        self.left = False

    running = property(lambda self: self.began is not None)

    @property
    def activity(self) -> Activity:
        now = () if self.began is None else (ActivitySample(self.began, self.clock(), 90.0),)
        return Activity(self.done + now)

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

    sent: list[tuple[Place, int]] = field(default_factory=list)
    records: list[RequestRecord] = field(default_factory=list)
    loads: list[LoadReport] = field(default_factory=list)
    switches: list[tuple[Place, Switch]] = field(default_factory=list)

    def request_sent(self, place, draft_length):
        self.sent.append((place, draft_length))

    def request_ended(self, record):
        self.records.append(record)

    def server_switched(self, place, switch):
        self.switches.append((place, switch))

    def trial_ended(self, load):
        self.loads.append(load)


class Bench:
    """A runner with its surroundings."""

    def __init__(
        self, *, fails=lambda _: None, broken=False, max_failures=20, sampling=None, knob=None, placebo=False
    ) -> None:
        self.clock = start_clock()
        self.server = StandInServer(self.clock, fails)
        self.ledger = Ledger()
        self.injectors: list[StandInInjector] = []
        self.broken = broken
        self.runner = Runner(
            self.server, knob or StandInKnob(), self._injector, self.ledger, self.clock,
            sampling=sampling or Sampling(max_tokens=8), seed=10, retries=RetryPolicy(), max_failures=max_failures,
            placebo=placebo,
        )  # fmt: skip

    def _injector(self) -> StandInInjector:
        self.injectors.append(StandInInjector(self.clock, broken=self.broken))
        return self.injectors[-1]


def plan_of(*modes: str, phases="steady:2,load:2,recovery:2", warmup=3) -> Plan:
    trials = tuple(Trial(1, mode, parse_phases(phases)) for mode in modes)
    return Plan(trials, (Prompt("a", "A?"), Prompt("b", "B?")), warmup, stop=("!",), pauses=Pauses())


async def test_every_trial_warms_up_then_runs_its_steps_and_numbers_them():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_2", "adaptive"))
    places = [(r.mode, r.phase is Phase.WARMUP, r.step, r.global_step) for r in bench.ledger.records]
    assert places == [
        *(("fixed_2", True, step, 0) for step in (1, 2, 3)),
        *(("fixed_2", False, step, step) for step in range(1, 7)),
        *(("adaptive", True, step, 0) for step in (1, 2, 3)),
        *(("adaptive", False, step, step + 6) for step in range(1, 7)),
    ]


async def test_every_mode_has_requests_in_every_phase():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_0", "fixed_4"))
    for mode in ("fixed_0", "fixed_4"):
        phases = [r.phase for r in bench.ledger.records if r.mode == mode and not r.is_warmup]
        assert phases == [Phase.STEADY] * 2 + [Phase.LOAD] * 2 + [Phase.RECOVERY] * 2


async def test_load_is_recorded_on_each_request_and_for_each_trial():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_1"))
    loaded = [r for r in bench.ledger.records if r.phase is Phase.LOAD]
    assert all(r.load_overlap > 0.9 and r.load_percent == pytest.approx(90.0) for r in loaded)
    assert [(load.mode, load.achieved_percent) for load in bench.ledger.loads] == [("fixed_1", pytest.approx(90.0))]


async def test_fixed_modes_warm_up_at_their_own_k_and_adaptive_at_four():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_7", "adaptive"))
    assert {r.draft_length for r in bench.ledger.records if r.is_warmup and r.mode == "fixed_7"} == {7}
    assert {r.draft_length for r in bench.ledger.records if r.is_warmup and r.mode == "adaptive"} == {4}


async def test_the_draft_length_recorded_is_the_one_that_was_sent():
    bench = Bench()
    await bench.runner.run(plan_of("adaptive", "fixed_3"))
    assert [k for _, k in bench.server.asked] == [r.draft_length for r in bench.ledger.records]


async def test_modes_see_the_same_prompts_and_stop_strings_in_the_same_order():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_0", "fixed_8", warmup=0))
    texts = [request.messages[0].content for request, _ in bench.server.asked]
    assert texts == ["A?", "B?"] * 6
    assert {request.stop for request, _ in bench.server.asked} == {("!",)}


async def test_sampled_steps_are_seeded_alike_in_every_mode_and_greedy_ones_not_at_all():
    sampled = Bench(sampling=Sampling(max_tokens=8, temperature=0.7))
    await sampled.runner.run(plan_of("fixed_0", "fixed_1", warmup=0, phases="steady:2"))
    seeds = [request.seed for request, _ in sampled.server.asked]
    assert seeds[:2] == seeds[2:]
    assert len(set(seeds)) == 2
    greedy = Bench()
    await greedy.runner.run(plan_of("fixed_0", warmup=0, phases="steady:1"))
    assert greedy.server.asked[0][0].seed is None


async def test_blocks_and_warm_up_sample_anew():
    bench = Bench(sampling=Sampling(max_tokens=8, temperature=0.7))
    trials = tuple(Trial(block, "fixed_1", parse_phases("steady:2")) for block in (1, 2))
    await bench.runner.run(Plan(trials, (Prompt("a", "A?"),), warmup=2))
    assert len({request.seed for request, _ in bench.server.asked}) == 8


async def test_a_trial_without_load_is_reported_with_none():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_1", phases="steady:2"))
    (load,) = bench.ledger.loads
    assert (load.workers, load.offered_percent, load.achieved_percent, load.samples) == (0, 0.0, None, ())
    assert bench.injectors == []


async def test_the_load_of_a_trial_that_is_cut_short_is_reported_too():
    bench = Bench(fails=lambda number: "Gone." if number > 6 else None, max_failures=1)
    with pytest.raises(ServerGone):
        await bench.runner.run(plan_of("fixed_1"))
    assert [len(load.samples) for load in bench.ledger.loads] == [1]


async def test_a_failed_request_is_a_row_with_its_reason_and_the_time_it_took():
    bench = Bench(fails=lambda number: "The server said no." if number == 2 else None)
    await bench.runner.run(plan_of("fixed_1", warmup=0, phases="steady:3"))
    failed = bench.ledger.records[1]
    assert (failed.success, failed.error, failed.completion_tokens) == (False, "The server said no.", None)
    assert failed.latency_ms >= 1.0
    assert [r.success for r in bench.ledger.records] == [True, False, True]


async def test_a_server_that_only_fails_ends_the_run_after_the_limit():
    bench = Bench(fails=lambda number: "Gone." if number > 2 else None, max_failures=4)
    with pytest.raises(ServerGone, match=r"4 requests in a row failed, the last one because: Gone\."):
        await bench.runner.run(plan_of("fixed_1", "fixed_2"))
    assert len(bench.ledger.records) == 6


async def test_failures_with_successes_between_them_do_not_end_it():
    bench = Bench(fails=lambda number: "Odd." if number % 2 else None, max_failures=2)
    await bench.runner.run(plan_of("fixed_1", warmup=0, phases="steady:10"))
    assert sum(not r.success for r in bench.ledger.records) == 5


async def test_a_load_that_cannot_start_ends_the_run_as_that_error():
    bench = Bench(broken=True)
    with pytest.raises(ContentionError):
        await bench.runner.run(plan_of("fixed_1"))
    by_the_clock = Bench(broken=True)
    with pytest.raises(ContentionError):
        await by_the_clock.runner.run(plan_of("fixed_1", warmup=0, phases="steady:0.01s,load:5s"))


async def test_the_injector_is_left_however_a_trial_ends():
    bench = Bench(fails=lambda number: "Gone." if number > 5 else None, max_failures=1)
    with pytest.raises(ServerGone):
        await bench.runner.run(plan_of("fixed_1"))
    assert [injector.left for injector in bench.injectors] == [True]


async def test_a_plan_in_seconds_runs_until_its_time_is_up_with_load_by_the_clock():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_1", warmup=0, phases="steady:0.05s,load:0.1s,recovery:0.05s"))
    phases = [r.phase for r in bench.ledger.records]
    assert phases == sorted(phases, key=[Phase.STEADY, Phase.LOAD, Phase.RECOVERY].index)
    assert set(phases) == {Phase.STEADY, Phase.LOAD, Phase.RECOVERY}
    assert bench.ledger.records[-1].ended_ns >= 0.19e9


async def test_a_load_of_some_seconds_from_a_step_on_stops_by_itself():
    bench = Bench()
    trial = Trial(1, "fixed_1", parse_phases("steady:60").with_load(3, 0.05))
    await bench.runner.run(Plan((trial,), (Prompt("a", "A?"),), 0, pauses=Pauses(after_step_s=0.003)))
    phases = [r.phase for r in bench.ledger.records]
    assert phases[:2] == [Phase.STEADY] * 2
    assert phases[2] is Phase.LOAD
    assert phases[-1] is Phase.RECOVERY


async def test_a_server_that_must_be_started_anew_is_so_once_a_trial_and_the_time_is_in_no_latency():
    knob = restarting()
    bench = Bench(knob=knob)
    await bench.runner.run(plan_of("fixed_2", "fixed_0", warmup=1, phases="steady:2"))
    assert knob.switched_to == [2, 0]
    assert [record.switch_ms for record in bench.ledger.records] == [500.0, None, None, 500.0, None, None]
    assert [(place.mode, switch.draft_length) for place, switch in bench.ledger.switches] == [
        ("fixed_2", 2),
        ("fixed_0", 0),
    ]
    assert all(record.latency_ms < 400 for record in bench.ledger.records)


async def test_a_server_that_does_not_start_again_ends_the_run_with_what_was_measured_kept():
    bench = Bench(knob=StandInKnob(per_request=False, breaks_at=5))
    with pytest.raises(KnobError, match="k = 5"):
        await bench.runner.run(plan_of("fixed_2", "fixed_5", warmup=0, phases="steady:2"))
    assert [record.mode for record in bench.ledger.records] == ["fixed_2"] * 2


async def test_every_record_names_the_knob_and_a_placebo_is_marked_on_each():
    bench = Bench(placebo=True)
    await bench.runner.run(plan_of("fixed_1", warmup=1, phases="steady:1"))
    assert [(record.knob, record.placebo) for record in bench.ledger.records] == [("draft_length", True)] * 2
    honest = Bench()
    await honest.runner.run(plan_of("fixed_1", warmup=0, phases="steady:1"))
    assert not honest.ledger.records[0].placebo
