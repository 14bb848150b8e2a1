"""The one loop: every trial of a plan, request by request, each on disk before the next is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from halospec.clock import Clock
from halospec.contention.activity import Activity
from halospec.contention.protocol import Injector
from halospec.contention.report import LoadReport, report
from halospec.controllers.modes import mode_named
from halospec.controllers.protocol import Outcome
from halospec.endpoints.retry import RetryPolicy, complete_with_retries
from halospec.endpoints.types import ChatRequest, Endpoint, Message
from halospec.experiment.load_schedule import scheduled_load
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.recording import Place, outcome_of, record_of
from halospec.records.schema import RequestRecord


class Observer(Protocol):
    """Watches a run, to show it to a person or to keep it."""

    def request_sent(self, place: Place, draft_length: int) -> None:
        """Learn of a request that is on its way."""
        ...

    def request_ended(self, record: RequestRecord) -> None:
        """Learn of a request that has ended; the next is sent when this returns."""
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
    make_injector
        Gives each trial an injector of its own; it stays off where the trial's plan has no load.
    seed
        Where temperature is above 0, step i of every trial samples with the same seed.
    max_failures
        Failed requests in a row after which the run gives up.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        make_injector: Callable[[], Injector],
        observer: Observer,
        clock: Clock,
        *,
        sampling: Sampling,
        seed: int,
        retries: RetryPolicy,
        max_failures: int = 20,
    ) -> None:
        self._endpoint = endpoint
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
        injector = self._make_injector()
        async with scheduled_load(trial.phases.load, injector) as load:
            started_ns = self._clock()
            step = 0
            while not self._over(trial.phases, step, started_ns):
                step += 1
                await load.before_step(step)
                self._global_step += 1
                place = Place(trial.mode, trial.block, step, self._global_step, plan.prompt_at(step).prompt_id)
                record = await self._ask(place, plan, controller.choose(), lambda: injector.activity)
                controller.update(outcome_of(record))
                await anyio.sleep(plan.pauses.after_step_s)
        self._observer.trial_ended(report(injector, block=trial.block, mode=trial.mode))

    def _over(self, phases: PhasePlan, steps_done: int, started_ns: int) -> bool:
        if phases.steps is not None:
            return steps_done >= phases.steps
        return (self._clock() - started_ns) / 1e9 >= (phases.seconds or 0.0)

    async def _warm_up(self, trial: Trial, plan: Plan, number: int, draft_length: int) -> Outcome:
        prompt_id = plan.prompt_at(number).prompt_id
        place = Place(trial.mode, trial.block, number, 0, prompt_id, is_warmup=True)
        record = await self._ask(place, plan, draft_length, Activity)
        await anyio.sleep(plan.pauses.after_warmup_s)
        return outcome_of(record)

    async def _ask(
        self, place: Place, plan: Plan, draft_length: int, activity: Callable[[], Activity]
    ) -> RequestRecord:
        self._observer.request_sent(place, draft_length)
        request = self._request(plan, place.step)
        attempted = await complete_with_retries(self._endpoint, request, draft_length, self._retries, self._clock)
        record = record_of(place, draft_length, attempted, activity())
        self._observer.request_ended(record)
        self._count_failures(record)
        return record

    def _request(self, plan: Plan, step: int) -> ChatRequest:
        greedy = self._sampling.temperature == 0.0
        return ChatRequest(
            messages=(Message("user", plan.prompt_at(step).text),),
            max_tokens=self._sampling.max_tokens,
            temperature=self._sampling.temperature,
            seed=None if greedy else self._seed + step,
            stop=plan.stop,
            ignore_eos=self._sampling.ignore_eos,
        )

    def _count_failures(self, record: RequestRecord) -> None:
        self._failures_in_a_row = 0 if record.success else self._failures_in_a_row + 1
        if self._failures_in_a_row >= self._max_failures:
            raise ServerGone(
                f"{self._failures_in_a_row} requests in a row failed, the last one because: {record.error} "
                "The run was stopped; what was measured is kept."
            )
