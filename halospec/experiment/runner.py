"""The one loop: every trial of a plan, request by request, each on disk before the next is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injector
from halospec.contention.report import LoadReport, report
from halospec.controllers.modes import mode_named
from halospec.controllers.protocol import Controller, Outcome
from halospec.endpoints.retry import RetryPolicy, complete_with_retries
from halospec.endpoints.types import ChatRequest, Endpoint, Message
from halospec.experiment.load_schedule import LoadSchedule, scheduled_load
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.recording import Place, Steering, outcome_of, record_of
from halospec.knobs.types import Knob, Switch
from halospec.records.schema import RequestRecord
from halospec.workloads.prompts import Prompt


class Observer(Protocol):
    """Watches a run, to show it to a person or to keep it."""

    def request_sent(self, place: Place, draft_length: int) -> None:
        """Learn of a request that is on its way."""
        ...

    def request_ended(self, record: RequestRecord) -> None:
        """Learn of a request that has ended; the next is sent when this returns."""
        ...

    def server_switched(self, place: Place, switch: Switch) -> None:
        """Learn that the server was loaded or started anew for the request that is sent next."""
        ...

    def trial_ended(self, load: LoadReport) -> None:
        """Learn what load a finished trial had."""
        ...


class ServerGone(Exception):
    """So many requests in a row failed that going on would measure nothing."""


@dataclass(frozen=True)
class Sampling:
    """How every request of the run asks for its tokens."""

    max_tokens: int = 64
    temperature: float = 0.0
    ignore_eos: bool = False


class Runner:
    """Runs a plan against an endpoint.

    Parameters
    ----------
    knob
        Brings the server to a request's draft length before it is sent, where requests alone do not; the endpoint is
        one that this knob steers.
    placebo
        Whether k is known to have no effect on this server.
    make_injector
        Gives each trial whose plan has load an injector of its own.
    seed
        Where temperature is above 0, step i of a block samples alike in every mode.
    max_failures
        Failed requests in a row after which the run gives up.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        knob: Knob,
        make_injector: Callable[[], Injector],
        observer: Observer,
        clock: Clock,
        *,
        sampling: Sampling,
        seed: int,
        retries: RetryPolicy,
        max_failures: int = 20,
        placebo: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._knob = knob
        self._placebo = placebo
        self._make_injector = make_injector
        self._observer = observer
        self._clock = clock
        self._sampling = sampling
        self._seed = seed
        self._retries = retries
        self._max_failures = max_failures
        self._failures_in_a_row = 0
        self._global_step = 0

    async def run(self, plan: Plan) -> None:
        """Run every trial in turn.

        Raises
        ------
        ServerGone
            If ``max_failures`` requests in a row failed.
        KnobError
            If the server could not be brought to a draft length.
        ContentionError
            If the load could not be put on.
        StoreError
            If a record could not be kept.
        """
        for trial in plan.trials:
            await self._run_trial(trial, plan)

    async def _run_trial(self, trial: Trial, plan: Plan) -> None:
        mode = mode_named(trial.mode)
        warmup = [await self._warm_up(trial, plan, number, mode.warmup_length) for number in range(1, plan.warmup + 1)]
        controller = mode.start(warmup)
        injector = self._make_injector() if trial.phases.load else NoLoad()
        try:
            async with scheduled_load(trial.phases.load, injector) as load:
                await self._measure(trial, plan, controller, injector, load)
        finally:
            self._observer.trial_ended(report(injector, block=trial.block, mode=trial.mode))

    async def _measure(
        self, trial: Trial, plan: Plan, controller: Controller, injector: Injector, load: LoadSchedule
    ) -> None:
        started_ns = self._clock()
        step = 0
        while not self._over(trial.phases, step, started_ns):
            step += 1
            await load.before_step(step)
            self._global_step += 1
            prompt = plan.prompt_at(trial.block, step)
            place = Place(trial.mode, trial.block, step, self._global_step, prompt.prompt_id)
            record = await self._ask(place, plan, prompt, controller.choose(), lambda: injector.activity)
            controller.update(outcome_of(record))
            await anyio.sleep(plan.pauses.after_step_s)

    def _over(self, phases: PhasePlan, steps_done: int, started_ns: int) -> bool:
        if phases.steps is not None:
            return steps_done >= phases.steps
        return (self._clock() - started_ns) / 1e9 >= (phases.seconds or 0.0)

    async def _warm_up(self, trial: Trial, plan: Plan, number: int, draft_length: int) -> Outcome:
        prompt = plan.warmup_prompt_at(trial.block, number)
        place = Place(trial.mode, trial.block, number, 0, prompt.prompt_id, is_warmup=True)
        record = await self._ask(place, plan, prompt, draft_length, Activity)
        await anyio.sleep(plan.pauses.after_warmup_s)
        return outcome_of(record)

    async def _ask(
        self, place: Place, plan: Plan, prompt: Prompt, draft_length: int, activity: Callable[[], Activity]
    ) -> RequestRecord:
        switch = await self._knob.switch_to(draft_length)
        if switch is not None:
            self._observer.server_switched(place, switch)
        self._observer.request_sent(place, draft_length)
        request = self._request(place, plan, prompt)
        attempted = await complete_with_retries(self._endpoint, request, draft_length, self._retries, self._clock)
        steering = Steering(self._knob.name, switch, self._placebo)
        record = record_of(place, draft_length, attempted, activity(), steering)
        self._observer.request_ended(record)
        self._count_failures(record)
        return record

    def _request(self, place: Place, plan: Plan, prompt: Prompt) -> ChatRequest:
        greedy = self._sampling.temperature == 0.0
        return ChatRequest(
            messages=(Message("user", prompt.text),),
            max_tokens=self._sampling.max_tokens,
            temperature=self._sampling.temperature,
            seed=None if greedy else self._sampling_seed(place),
            stop=plan.stop,
            ignore_eos=self._sampling.ignore_eos,
        )

    def _sampling_seed(self, place: Place) -> int:
        """Return a seed that the same step has in every mode and no other step has, in this run or the next seed's."""
        digest = hashlib.sha256(f"{self._seed}/{place.block}/{place.is_warmup}/{place.step}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def _count_failures(self, record: RequestRecord) -> None:
        self._failures_in_a_row = 0 if record.success else self._failures_in_a_row + 1
        if self._failures_in_a_row >= self._max_failures:
            raise ServerGone(
                f"{self._failures_in_a_row} requests in a row failed, the last one because: {record.error} "
                "The run was stopped; what was measured is kept."
            )
