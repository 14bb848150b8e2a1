"""The one loop: every trial of a plan, request by request, each on disk before the next is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio
from pydantic import JsonValue

from halospec.clock import Clock
from halospec.contention.activity import Activities
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import Injector
from halospec.contention.report import report
from halospec.controllers.modes import Chooser, Mode, mode_named
from halospec.controllers.protocol import Explaining, Outcome
from halospec.endpoints.retry import RetryPolicy, complete_with_retries
from halospec.endpoints.types import ChatRequest, Endpoint, Message
from halospec.experiment.coverage import NOTHING_DONE, Coverage, TrialCoverage, TrialIds
from halospec.experiment.load_schedule import LoadSchedule, scheduled_load
from halospec.experiment.nonce import nonce, with_nonce
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.recording import Place, Steering, decision_record_of, outcome_of, reasons_of, record_of
from halospec.knobs.types import Knob, Switch
from halospec.records.decisions import DecisionRecord
from halospec.records.loads import LoadReport
from halospec.records.schema import PRELOAD, RequestRecord
from halospec.workloads.prompts import Prompt


class Observer(Protocol):
    """Watches a run, to show it to a person or to keep it."""

    def request_sent(self, place: Place, draft_length: int | None) -> None:
        """Learn of a request that is on its way; no draft length where a rule inside the server chooses it."""
        ...

    def decided(self, decision: DecisionRecord) -> None:
        """Learn why a rule chose what it did: before the request is sent, or of one inside the server afterwards."""
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


_EXPLAIN = "explain"
"""Has the bundled server say why a rule of its own chose what it did; in warm-ups too, which should cost the same."""


class ServerGone(Exception):
    """So many requests in a row failed that going on would measure nothing."""


@dataclass(frozen=True)
class _Course:
    """What all requests of a trial have in common."""

    plan: Plan
    trial: Trial
    trial_id: str
    so_far: TrialCoverage

    def warmup(self, number: int, mode: str) -> tuple[Place, Prompt]:
        """Return the place of a warm-up request, and its prompt."""
        prompt = self.plan.warmup_prompt_at(self.trial.block, number)
        return self._place(mode, number, 0, prompt, is_warmup=True), prompt

    def step(self, step: int, mode: str, global_step: int) -> tuple[Place, Prompt]:
        """Return the place of a measured request, and its prompt."""
        prompt = self.plan.prompt_at(self.trial.block, step)
        return self._place(mode, step, global_step, prompt, is_warmup=False), prompt

    def _place(self, mode: str, step: int, global_step: int, prompt: Prompt, *, is_warmup: bool) -> Place:
        block, attempt = self.trial.block, self.so_far.attempt
        return Place(mode, block, step, global_step, prompt.prompt_id, is_warmup, self.trial_id, attempt)


class Runner:
    """Runs a plan against an endpoint.

    Parameters
    ----------
    knob
        Brings the server to a request's draft length before it is sent, where requests alone do not; the endpoint is
        one that this knob steers.
    make_injector
        Gives each trial whose plan has load an injector of its own.
    trial_ids
        Gives the id that a trial's records bear.
    nonces_of
        Has words put before every prompt, so that no cache of prompts knows it: something that no other process which
        asks this server has, such as the time of its start. ``None``: prompts are sent as they are.
    max_failures
        Failed requests in a row after which the run gives up.
    placebo
        Whether k is known to have no effect on this server.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        knob: Knob,
        make_injector: Callable[[], Injector],
        observer: Observer,
        clock: Clock,
        *,
        trial_ids: TrialIds,
        nonces_of: str | None = None,
        retries: RetryPolicy,
        max_failures: int = 20,
        placebo: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._knob = knob
        self._make_injector = make_injector
        self._observer = observer
        self._clock = clock
        self._trial_ids = trial_ids
        self._nonces_of = nonces_of
        self._retries = retries
        self._max_failures = max_failures
        self._placebo = placebo
        self._failures_in_a_row = 0
        self._global_step = 0
        self._is_fresh = True

    async def run(self, plan: Plan, progress: Coverage = NOTHING_DONE) -> None:
        """Run every trial in turn, or what ``progress`` leaves of them.

        May be called again with more: numbers go on, and the preload is not repeated.

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
        self._global_step = max(self._global_step, progress.global_step)
        for trial in plan.trials:
            so_far = progress.of(trial)
            if so_far.done:
                continue
            course = _Course(plan, trial, self._trial_ids(trial), so_far)
            if self._is_fresh:
                await self._preload(course)
                self._is_fresh = False
            else:
                await anyio.sleep(plan.pauses.between_trials_s)
            await self._run_trial(course)

    async def _preload(self, course: _Course) -> None:
        first = mode_named(course.plan.order_at(course.trial, 1)[0])
        for number in range(1, course.plan.preload + 1):
            await self._ask(course, *course.warmup(number, PRELOAD), first, first.warmup_length, Activities)

    async def _run_trial(self, course: _Course) -> None:
        trial = course.trial
        choosers = await self._warm_up(course)
        injector = self._make_injector() if trial.phases.load else NoLoad()
        steps: int | None = None
        try:
            async with scheduled_load(trial.phases.load, injector) as load:
                steps = await self._measure(course, choosers, injector, load)
        finally:
            self._observer.trial_ended(
                report(
                    injector,
                    block=trial.block,
                    mode=trial.mode,
                    trial_id=course.trial_id,
                    trial_attempt=course.so_far.attempt,
                    steps=steps,
                )
            )

    async def _warm_up(self, course: _Course) -> dict[str, Chooser]:
        """Warm up every mode that has not been; return what chooses in each."""
        plan, modes = course.plan, {name: mode_named(name) for name in course.trial.modes}
        outcomes: dict[str, list[Outcome]] = {name: [] for name in modes}
        for number in range(1, plan.warmup + 1):
            missing = [n for n in plan.order_at(course.trial, number) if (number, n) not in course.so_far.warmed_up]
            for name in missing:
                mode = modes[name]
                record = await self._ask(course, *course.warmup(number, name), mode, mode.warmup_length, Activities)
                outcomes[name].append(outcome_of(record))
            if missing:
                await anyio.sleep(plan.pauses.after_warmup_s)
        return {name: mode.start(outcomes[name]) for name, mode in modes.items()}

    async def _measure(
        self, course: _Course, choosers: Mapping[str, Chooser], injector: Injector, load: LoadSchedule
    ) -> int:
        """Send the steps' requests; return how many steps there were."""
        plan, trial = course.plan, course.trial
        modes = {name: mode_named(name) for name in trial.modes}
        started_ns = self._clock()
        step = 0
        while not self._over(trial.phases, step, started_ns):
            step += 1
            missing = [name for name in plan.order_at(trial, step) if (step, name) not in course.so_far.measured]
            if not missing:
                continue
            await load.before_step(step)
            for name in missing:
                self._global_step += 1
                place, prompt = course.step(step, name, self._global_step)
                draft_length = self._chosen(choosers[name], place)
                record = await self._ask(course, place, prompt, modes[name], draft_length, lambda: injector.activities)
                choosers[name].update(outcome_of(record))
            await anyio.sleep(plan.pauses.after_step_s)
        return step

    def _chosen(self, chooser: Chooser, place: Place) -> int | None:
        draft_length = chooser.choose()
        if isinstance(chooser, Explaining):
            self._observer.decided(decision_record_of(place, reasons_of(chooser.explain())))
        return draft_length

    def _over(self, phases: PhasePlan, steps_done: int, started_ns: int) -> bool:
        if phases.steps is not None:
            return steps_done >= phases.steps
        return (self._clock() - started_ns) / 1e9 >= (phases.seconds or 0.0)

    async def _ask(
        self,
        course: _Course,
        place: Place,
        prompt: Prompt,
        mode: Mode,
        draft_length: int | None,
        activities: Callable[[], Activities],
    ) -> RequestRecord:
        switch = None if draft_length is None else await self._knob.switch_to(draft_length)
        if switch is not None:
            self._observer.server_switched(place, switch)
        self._observer.request_sent(place, draft_length)
        words = None if self._nonces_of is None else _nonce(place, course.plan, self._nonces_of)
        text = prompt.text if words is None else with_nonce(prompt.text, words)
        request = _request(place, course.plan, text, _fields_of(mode))
        attempted = await complete_with_retries(self._endpoint, request, draft_length, self._retries, self._clock)
        steering = Steering(self._knob.name, switch, self._placebo)
        record = record_of(
            place, draft_length, attempted, activities(), steering, load_seen=course.so_far.load_seen, nonce=words
        )
        for reasons in attempted.completion.decisions if attempted.completion else ():
            self._observer.decided(decision_record_of(place, reasons))
        self._observer.request_ended(record)
        self._count_failures(record)
        return record

    def _count_failures(self, record: RequestRecord) -> None:
        self._failures_in_a_row = 0 if record.success else self._failures_in_a_row + 1
        if self._failures_in_a_row >= self._max_failures:
            raise ServerGone(
                f"{self._failures_in_a_row} requests in a row failed, the last one because: {record.error} "
                "The run was stopped; what was measured is kept."
            )


def _fields_of(mode: Mode) -> Mapping[str, JsonValue]:
    return {**mode.fields, _EXPLAIN: True} if mode.in_server else mode.fields


def _request(place: Place, plan: Plan, text: str, fields: Mapping[str, JsonValue]) -> ChatRequest:
    sampling = plan.sampling
    return ChatRequest(
        messages=(Message("user", text),),
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        seed=None if sampling.temperature == 0.0 else _sampling_seed(place, plan.seed),
        stop=plan.stop,
        ignore_eos=sampling.ignore_eos,
        fields=fields,
    )


def _sampling_seed(place: Place, seed: int) -> int:
    """Return a seed that the same step has in every mode and no other step has, in this run or the next seed's."""
    digest = hashlib.sha256(f"{seed}/{place.block}/{place.is_warmup}/{place.step}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _nonce(place: Place, plan: Plan, process: str) -> str:
    return nonce(
        plan.seed,
        mode=place.mode,
        block=place.block,
        step=place.step,
        is_warmup=place.is_warmup,
        trial_attempt=place.trial_attempt,
        run=process,
    )
