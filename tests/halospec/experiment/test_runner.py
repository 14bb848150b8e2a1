"""The loop, against an endpoint that is a stand-in for a server and an injector that loads nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import anyio
import pytest

from halospec.clock import start_clock
from halospec.contention.protocol import ContentionError
from halospec.contention.spelling import spelled
from halospec.controllers.decision import Decision, Setting
from halospec.controllers.modes import Mode, mode_named
from halospec.controllers.protocol import Outcome
from halospec.endpoints.retry import RetryPolicy
from halospec.experiment.coverage import coverage_of
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import INTERLEAVED, Pauses, Plan, Sampling, Trial
from halospec.experiment.runner import Runner, ServerGone
from halospec.knobs.types import KnobError
from halospec.records.decisions import ChosenSetting, Reasons
from halospec.records.schema import PRELOAD, Phase
from halospec.workloads.prompts import Prompt
from stand_in_knobs import StandInKnob, restarting
from stand_in_runs import Ledger, StandInInjector, StandInServer, id_of, planned_phase

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Bench:
    """A runner with its surroundings."""

    def __init__(
        self, *, fails=lambda _: None, broken=False, max_failures=20, knob=None, placebo=False, nonces_of=None
    ) -> None:
        self.clock = start_clock()
        self.server = StandInServer(self.clock, fails)
        self.ledger = Ledger()
        self.injectors: list[StandInInjector] = []
        self.broken = broken
        self.runner = Runner(
            self.server, knob or StandInKnob(), self._injector, self.ledger, self.clock, trial_ids=id_of,
            nonces_of=nonces_of, retries=RetryPolicy(), max_failures=max_failures, placebo=placebo,
        )  # fmt: skip

    def _injector(self) -> StandInInjector:
        self.injectors.append(StandInInjector(self.clock, broken=self.broken))
        return self.injectors[-1]

    @property
    def prompts(self) -> list[str]:
        return [request.messages[0].content for request, _ in self.server.asked]


def plan_of(*modes: str, phases="steady:2,load:2,recovery:2", warmup=3, **settings) -> Plan:
    trials = tuple(Trial(1, mode, parse_phases(phases)) for mode in modes)
    return Plan(trials, (Prompt("a", "A?"), Prompt("b", "B?")), warmup, stop=("!",), **settings)


def turns_of(*modes: str, phases="steady:2,load:2,recovery:2", warmup=2, blocks=1, **settings) -> Plan:
    """Return a plan in which modes take turns."""
    trials = tuple(Trial(n, INTERLEAVED, parse_phases(phases), together=modes) for n in range(1, blocks + 1))
    return Plan(trials, (Prompt("a", "A?"), Prompt("b", "B?")), warmup, **settings)


@pytest.fixture
def rests(monkeypatch):
    """Notes how long the runner rests, and has it rest no longer."""
    noted: list[float] = []
    sleep = anyio.sleep

    async def note(seconds: float) -> None:
        noted.append(seconds)
        await sleep(0)

    monkeypatch.setattr("halospec.experiment.runner.anyio.sleep", note)
    return noted


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
    (report,) = bench.ledger.loads
    (load,) = report.loads
    assert (report.mode, load.name, load.offered) == ("fixed_1", spelled(StandInInjector.load), 100.0)
    assert load.achieved == pytest.approx(90.0)


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
    assert bench.prompts[:6] == bench.prompts[6:]
    assert Counter(bench.prompts[:2]) == {"A?": 1, "B?": 1}
    assert {request.stop for request, _ in bench.server.asked} == {("!",)}


SAMPLED = Sampling(max_tokens=8, temperature=0.7)


async def test_sampled_steps_are_seeded_alike_in_every_mode_and_greedy_ones_not_at_all():
    sampled = Bench()
    await sampled.runner.run(plan_of("fixed_0", "fixed_1", warmup=0, phases="steady:2", sampling=SAMPLED))
    seeds = [request.seed for request, _ in sampled.server.asked]
    assert seeds[:2] == seeds[2:]
    assert len(set(seeds)) == 2
    greedy = Bench()
    await greedy.runner.run(plan_of("fixed_0", warmup=0, phases="steady:1"))
    assert greedy.server.asked[0][0].seed is None


async def test_blocks_warm_up_and_runs_of_another_seed_sample_anew():
    bench = Bench()
    trials = tuple(Trial(block, "fixed_1", parse_phases("steady:2")) for block in (1, 2))
    plan = Plan(trials, (Prompt("a", "A?"),), warmup=2, sampling=SAMPLED)
    await bench.runner.run(plan)
    await bench.runner.run(replace(plan, seed=2))
    assert len({request.seed for request, _ in bench.server.asked}) == 16


async def test_a_request_asks_for_what_the_plan_says():
    bench = Bench()
    await bench.runner.run(
        plan_of("fixed_1", warmup=0, phases="steady:1", sampling=Sampling(max_tokens=5, ignore_eos=True))
    )
    (request, _) = bench.server.asked[0]
    assert (request.max_tokens, request.temperature, request.ignore_eos) == (5, 0.0, True)


async def test_a_trial_without_load_is_reported_with_none():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_1", phases="steady:2"))
    assert [report.loads for report in bench.ledger.loads] == [()]
    assert bench.injectors == []


async def test_the_load_of_a_trial_that_is_cut_short_is_reported_too():
    bench = Bench(fails=lambda number: "Gone." if number > 6 else None, max_failures=1)
    with pytest.raises(ServerGone):
        await bench.runner.run(plan_of("fixed_1"))
    (report,) = bench.ledger.loads
    assert ([len(load.samples) for load in report.loads], report.steps) == ([1], None)


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


async def test_modes_that_take_turns_warm_up_together_and_then_all_answer_each_step_s_prompt():
    bench = Bench()
    plan = turns_of("fixed_0", "fixed_2", "fixed_4")
    await bench.runner.run(plan)
    warm, measured = bench.ledger.records[:6], bench.ledger.records[6:]
    assert all(r.is_warmup for r in warm)
    assert Counter((r.step, r.mode) for r in warm) == {(n, mode): 1 for n in (1, 2) for mode in plan.trials[0].modes}
    assert [(r.step, r.mode) for r in measured] == [
        (step, mode) for step in range(1, 7) for mode in plan.order_at(plan.trials[0], step)
    ]
    assert [r.global_step for r in measured] == list(range(1, 19))
    assert all(r.draft_length == int(r.mode[-1]) for r in bench.ledger.records)
    for step in range(1, 7):
        assert {r.prompt_id for r in measured if r.step == step} == {plan.prompt_at(1, step).prompt_id}


async def test_modes_that_take_turns_meet_the_same_load_and_have_one_report_of_it():
    bench = Bench()
    plan = turns_of("fixed_0", "fixed_2", blocks=2)
    await bench.runner.run(plan)
    phases = plan.trials[0].phases
    assert all(r.phase is planned_phase(phases, r.step) for r in bench.ledger.records if not r.is_warmup)
    assert [(load.block, load.mode, load.steps) for load in bench.ledger.loads] == [
        (1, "interleaved", 6),
        (2, "interleaved", 6),
    ]


async def test_modes_that_take_turns_for_some_seconds_all_have_the_same_number_of_steps():
    bench = Bench()
    await bench.runner.run(turns_of("fixed_0", "fixed_2", "fixed_4", warmup=0, phases="steady:0.05s"))
    steps = Counter(r.mode for r in bench.ledger.records)
    assert set(steps.values()) == {bench.ledger.loads[0].steps}
    assert bench.ledger.records[-1].ended_ns >= 0.05e9


async def test_records_and_the_load_report_name_their_trial_and_its_attempt():
    bench = Bench()
    await bench.runner.run(turns_of("fixed_0", "fixed_2", blocks=2))
    of_block = {1: "interleaved in 1", 2: "interleaved in 2"}
    assert all((r.trial_id, r.trial_attempt) == (of_block[r.block], 1) for r in bench.ledger.records)
    assert [(load.trial_id, load.trial_attempt) for load in bench.ledger.loads] == [
        (id_, 1) for id_ in of_block.values()
    ]
    assert not any(r.void for r in bench.ledger.records)


async def test_a_report_of_load_says_how_many_steps_a_trial_came_to():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_1", warmup=0, phases="steady:0.03s"))
    assert [load.steps for load in bench.ledger.loads] == [len(bench.ledger.records)]


async def test_the_preload_comes_once_before_the_first_trial_and_belongs_to_no_mode():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_2", "fixed_4", warmup=1, phases="steady:1", preload=3))
    preload, rest = bench.ledger.records[:3], bench.ledger.records[3:]
    assert [(r.mode, r.phase, r.step, r.global_step, r.block) for r in preload] == [
        (PRELOAD, Phase.WARMUP, step, 0, 1) for step in (1, 2, 3)
    ]
    assert {r.draft_length for r in preload} == {2}
    assert [r.mode for r in rest] == ["fixed_2", "fixed_2", "fixed_4", "fixed_4"]


async def test_the_machine_rests_after_warm_up_after_steps_and_between_trials_but_not_before_the_first(rests):
    bench = Bench()
    bench.server.sleep = lambda _: anyio.lowlevel.checkpoint()
    pauses = Pauses(after_warmup_s=1.0, after_step_s=2.0, between_trials_s=30.0)
    await bench.runner.run(turns_of("fixed_0", "fixed_2", phases="steady:2", blocks=2, warmup=1, pauses=pauses))
    assert rests == [1.0, 2.0, 2.0, 30.0, 1.0, 2.0, 2.0]


async def test_a_nonce_precedes_every_prompt_and_no_two_are_equal():
    bench = Bench(nonces_of="this process")
    await bench.runner.run(turns_of("fixed_0", "fixed_2", phases="steady:4", blocks=2, preload=2))
    words = [r.nonce for r in bench.ledger.records]
    assert len(set(words)) == len(words)
    by_id = {"a": "A?", "b": "B?"}
    assert bench.prompts == [f"{r.nonce}\n\n{by_id[r.prompt_id]}" for r in bench.ledger.records]


async def test_another_process_has_other_nonces_for_the_same_plan():
    first, second = Bench(nonces_of="first"), Bench(nonces_of="second")
    for bench in (first, second):
        await bench.runner.run(plan_of("fixed_0", phases="steady:3"))
    assert not {r.nonce for r in first.ledger.records} & {r.nonce for r in second.ledger.records}


async def test_without_nonces_prompts_are_sent_as_they_are():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_0", phases="steady:2"))
    assert {r.nonce for r in bench.ledger.records} == {None}
    assert set(bench.prompts) == {"A?", "B?"}


async def test_a_run_that_is_made_longer_goes_on_where_it_ended():
    bench = Bench()
    short = turns_of("fixed_0", "fixed_2", phases="steady:2", blocks=1, preload=2)
    await bench.runner.run(short)
    before = len(bench.ledger.records)
    longer = replace(short, trials=(*short.trials, replace(short.trials[0], block=2)))
    await bench.runner.run(longer, coverage_of(longer, id_of, bench.ledger.records, bench.ledger.loads))
    added = bench.ledger.records[before:]
    assert {r.block for r in added} == {2}
    assert PRELOAD not in {r.mode for r in added}
    assert [r.global_step for r in added if not r.is_warmup] == [5, 6, 7, 8]


class Explainer:
    """A controller that counts its steps and says so."""

    def __init__(self) -> None:
        self.steps = 0

    def choose(self) -> int:
        self.steps += 1
        return self.steps

    def update(self, outcome: Outcome) -> None:
        pass

    def explain(self) -> Decision:
        return Decision(Setting(self.steps), f"step {self.steps}")


@pytest.fixture
def explaining(monkeypatch):
    """Has the mode ``counting`` say why it chooses what it does; all others are themselves."""
    counting = Mode("counting", 1, frozenset({1, 2}), lambda _: Explainer(), {})
    monkeypatch.setattr(
        "halospec.experiment.runner.mode_named", lambda name: counting if name == "counting" else mode_named(name)
    )


async def test_a_mode_may_set_more_of_a_request_than_k():
    bench = Bench()
    await bench.runner.run(plan_of("fixed_2@threads=1", warmup=1, phases="steady:1", preload=1))
    assert [(k, dict(request.fields)) for request, k in bench.server.asked] == [(2, {"threads": 1})] * 3
    assert {record.draft_length for record in bench.ledger.records} == {2}


async def test_where_a_rule_in_the_server_chooses_no_k_is_sent_or_recorded_and_no_switch_is_made():
    knob = restarting()
    bench = Bench(knob=knob)
    await bench.runner.run(plan_of("auto:heuristic@max_length=6", warmup=1, phases="steady:1"))
    fields = {"draft_length": "auto", "length_policy": "heuristic@max_length=6", "explain": True}
    assert [(k, dict(request.fields)) for request, k in bench.server.asked] == [(None, fields)] * 2
    assert [record.draft_length for record in bench.ledger.records] == [None, None]
    assert [k for _, k in bench.ledger.sent] == [None, None]
    assert knob.switched_to == []


async def test_what_a_server_says_of_its_choices_is_kept_with_the_requests_place():
    bench = Bench()
    bench.server.explains = (Reasons(round=0, chosen=ChosenSetting(draft_length=3), reason="best"),)
    await bench.runner.run(plan_of("fixed_1", "auto:heuristic", warmup=1, phases="steady:2"))
    assert [(one.mode, one.is_warmup, one.step, one.round, one.reason) for one in bench.ledger.decisions] == [
        ("auto:heuristic", True, 1, 0, "best"),
        ("auto:heuristic", False, 1, 0, "best"),
        ("auto:heuristic", False, 2, 0, "best"),
    ]


async def test_a_controller_that_explains_itself_is_asked_once_for_each_measured_request(explaining):
    bench = Bench()
    await bench.runner.run(plan_of("counting", "adaptive", warmup=2, phases="steady:2"))
    assert [(one.mode, one.step, one.chosen.draft_length, one.reason) for one in bench.ledger.decisions] == [
        ("counting", 1, 1, "step 1"),
        ("counting", 2, 2, "step 2"),
    ]
    assert {one.trial_id for one in bench.ledger.decisions} == {"counting in 1"}
