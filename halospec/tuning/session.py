"""A search from its settings to its directory: check first, record everything, say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import anyio

import halospec
from halospec.analysis.loading import requests_of
from halospec.analysis.slo import Slo, resolve
from halospec.clock import start_clock
from halospec.contention.loads import Load
from halospec.contention.together import injector_for
from halospec.doctor import QUICK_LOOK_S, examine
from halospec.endpoints.retry import RetryPolicy
from halospec.experiment.description import require_unused_directory, settings_to_keep, software_versions
from halospec.experiment.feasibility import PlanRefused, feasible_part, lengths_of, require_feasible
from halospec.experiment.identity import Subject, trial_id
from halospec.experiment.keeping import Keeping
from halospec.experiment.knob_choice import KnobChoice, choose_knob
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Plan, Sampling, Trial, blocked_plan
from halospec.experiment.run_manifest import describe_server
from halospec.experiment.runner import Observer, Runner
from halospec.experiment.server_account import account_of
from halospec.experiment.session import settle
from halospec.experiment.token_counts import require_countable_tokens
from halospec.knobs.draft_args import PLACEHOLDER, DraftArgs
from halospec.knobs.types import KnobKind
from halospec.probe.observer import ProbeObserver
from halospec.probe.settings import ProbeSettings
from halospec.records.manifest import Status
from halospec.records.schema import RequestRecord
from halospec.records.store import RunFiles
from halospec.target import Target, open_target, probe_target
from halospec.telemetry.host import host_facts
from halospec.tuning.account import Tuning, tuning_file, write_tuning
from halospec.tuning.advice import Advice, advice_for
from halospec.tuning.evidence import PLAIN, standings
from halospec.tuning.halving import RoundSize, Standing, round_sizes
from halospec.tuning.result import Aim, TuneResult, result_of, shown_to_miss
from halospec.tuning.schedule import schedule
from halospec.tuning.search import NothingAnswered, RoundObserver, search
from halospec.tuning.settings import TuneSettings
from halospec.tuning.wording import listed
from halospec.workloads.prompts import Prompt, prompt_set_sha256


class TuneObserver(Observer, RoundObserver, ProbeObserver, Protocol):
    """Watches a search from its probe to its end."""

    def told(self, sentence: str) -> None:
        """Learn something that the user should read."""
        ...

    def search_planned(self, sizes: Sequence[RoundSize], choice: KnobChoice) -> None:
        """Learn what the rounds will be, and through which knob k goes."""
        ...


async def run_tuning(
    settings: TuneSettings, prompts: Sequence[Prompt], loads: tuple[Load, ...], observer: TuneObserver
) -> Tuning:
    """Probe the server, then search for its best draft length, into ``settings.out``.

    Raises
    ------
    PreflightError, ProbeError, PlaceboRefused, PlanRefused
        If this server cannot be tuned; nothing has been written then.
    StoreError
        If the directory holds a run already, or a file cannot be written.
    NothingAnswered, ServerGone, ContentionError, KnobError
        If the search had to stop; what was measured is kept and ``tune.json`` says why.
    """
    files = RunFiles(settings.out)
    require_unused_directory(settings.out, tuning_file(settings.out), files.manifest, files.records)
    clock = start_clock()
    started_at = datetime.now(UTC)
    wanted = settings.wanted_lengths
    async with open_target(settings.with_settled_knob(), clock, files.server_log, first_length=wanted[-1]) as target:
        asked = ProbeSettings(seed=settings.seed, lengths=tuple(sorted({*wanted[:2], wanted[-1]})), traits=False)
        report = await probe_target(target, asked, observer)
        choice = choose_knob(report, target.knobs, wanted, allow_placebo=False, offer_placebo=False)
        lengths = _lengths(settings, choice, prompts, observer)
        async with target.endpoint(choice.knob) as endpoint:
            await settle(endpoint, choice.knob, _every_length_once(lengths, prompts))
            await choice.knob.switch_to(PLAIN)
            await require_countable_tokens(endpoint, prompts[0].text, PLAIN)
        switching = not choice.knob.per_request
        sizes = _sizes(settings, len(lengths) - 1, switching=switching)
        account = await account_of(target.server.kind.name, target.api, settings.connection.api_key)
        tuning = Tuning(
            halospec=halospec.__version__,
            status=Status.RUNNING,
            started_at=started_at,
            settings=settings_to_keep(settings),
            knob=choice.knob.name,
            probe=report,
            budget=sum(size.requests for size in sizes),
            server=describe_server(target.server, account),
            host=host_facts(),
            fitness=examine(look_s=QUICK_LOOK_S, runs=settings.out.parent, server_url=target.server.base_url),
            packages=software_versions(),
            prompt_set_sha256=prompt_set_sha256(prompts),
        )
        write_tuning(tuning, settings.out)
        observer.search_planned(sizes, choice)
        course = _Course(settings, tuple(prompts), lengths, sizes, loads, switching)
        try:
            result = await _search(course, target, choice, files, observer)
        except anyio.get_cancelled_exc_class():
            write_tuning(_closed(tuning, Status.INTERRUPTED, "interrupted by the user"), settings.out)
            raise
        except Exception as error:
            write_tuning(_closed(tuning, Status.FAILED, str(error) or type(error).__name__), settings.out)
            raise
        advice = _advice(settings, target, choice, result.verdict.recommended)
        tuning = _closed(tuning.model_copy(update={"result": result, "advice": advice}), Status.COMPLETE, None)
        write_tuning(tuning, settings.out)
        return tuning


@dataclass(frozen=True)
class _Course:
    """What a search goes through, settled after the probe."""

    settings: TuneSettings
    prompts: tuple[Prompt, ...]
    lengths: tuple[int, ...]
    sizes: tuple[RoundSize, ...]
    loads: tuple[Load, ...]
    switching: bool


@dataclass
class _Judge:
    """Ranks draft lengths by the records so far."""

    settings: TuneSettings
    slo: Slo | None = field(default=None, init=False)

    def rank(self, records: Sequence[RequestRecord], challengers: Sequence[int]) -> list[Standing]:
        """Return how the challengers stand; objectives that come from the warm-up are settled the first time."""
        wanted = self.settings.objectives
        if wanted is not None and self.slo is None:
            try:
                self.slo = resolve(wanted, requests_of(records))
            except ValueError as problem:
                raise NothingAnswered(str(problem)) from problem
        return standings(records, challengers, self.settings.basis, shown_to_miss(records, self.aim))

    @property
    def aim(self) -> Aim:
        """What the draft lengths are judged by."""
        return Aim(self.settings.basis, self.slo, self.settings.attainment, self.settings.seed)


async def _search(
    course: _Course, target: Target, choice: KnobChoice, files: RunFiles, observer: TuneObserver
) -> TuneResult:
    settings = course.settings
    plans = schedule(
        course.prompts,
        course.sizes,
        switching=course.switching,
        seed=settings.seed,
        sampling=Sampling(settings.max_tokens, settings.temperature, settings.ignore_eos),
        loads=course.loads,
    )
    if not plans.is_fresh:
        observer.told(
            f"There are only {len(course.prompts)} prompts, so the last round has to use those on which the choice was"
            " made: its intervals flatter the winner a little, and hold for these prompts alone."
        )
    subject = _subject(target, choice)
    trial_ids: dict[Trial, str] = {}
    judge = _Judge(settings)
    with _Remembering(files, observer) as keeping:
        async with target.endpoint(choice.knob) as endpoint:
            runner = Runner(
                endpoint,
                choice.knob,
                lambda: injector_for(course.loads, target.clock),
                keeping,
                target.clock,
                trial_ids=trial_ids.__getitem__,
                nonces_of=None if target.server.dialect.cache_prompt else datetime.now(UTC).isoformat(),
                retries=RetryPolicy(),
                max_failures=settings.max_failures,
            )

            async def carry_out(plan: Plan) -> None:
                trial_ids.update({trial: trial_id(plan, trial, subject) for trial in plan.trials})
                await runner.run(plan)

            rounds = await search(carry_out, keeping.kept, course.lengths, course.sizes, plans, judge.rank, observer)
    return result_of(keeping.kept, rounds, judge.aim, is_fresh=plans.is_fresh)


class _Remembering(Keeping):
    """Keeps the records in memory too: each round is judged by those so far."""

    def __init__(self, files: RunFiles, observer: Observer) -> None:
        super().__init__(files, observer)
        self.kept: list[RequestRecord] = []

    def request_ended(self, record: RequestRecord) -> None:
        super().request_ended(record)
        self.kept.append(record)


def _lengths(
    settings: TuneSettings, choice: KnobChoice, prompts: Sequence[Prompt], observer: TuneObserver
) -> tuple[int, ...]:
    """Return the draft lengths that the knob has; those that a user named must all be among them."""
    plan = _every_length_once(settings.wanted_lengths, prompts)
    if settings.lengths is not None:
        require_feasible(plan, choice.knob, choice.report)
        return settings.lengths
    left, _ = feasible_part(plan, choice.knob, choice.report)
    lengths = tuple(sorted(lengths_of(left)))
    if missing := sorted(set(settings.wanted_lengths) - set(lengths)):
        observer.told(f"Left out: k = {listed(missing)}, which cannot be had through the knob {choice.knob.name}.")
    if PLAIN not in lengths or len(lengths) < 2:
        raise PlanRefused(
            f"Tuning compares draft lengths with k = 0, and the knob {choice.knob.name} offers only k ="
            f" {', '.join(map(str, lengths))}; make it offer k = 0 and at least one other."
        )
    return lengths


def _every_length_once(lengths: Sequence[int], prompts: Sequence[Prompt]) -> Plan:
    """Return a plan that needs what a search among these draft lengths does."""
    modes = [f"fixed_{length}" for length in lengths]
    return blocked_plan(modes, parse_phases("steady:1"), prompts[:1], blocks=1, warmup=0, seed=1)


def _sizes(settings: TuneSettings, challengers: int, *, switching: bool) -> tuple[RoundSize, ...]:
    try:
        return round_sizes(challengers, budget=settings.budget, warmup=settings.warmup, switching=switching)
    except ValueError as problem:
        sentence = str(problem)
        raise PlanRefused(f"{sentence[0].upper()}{sentence[1:]}.") from problem


def _subject(target: Target, choice: KnobChoice) -> Subject:
    server, meta = target.server, target.server.model_meta
    loaded = (meta.target, meta.draft) if meta else ()
    hashes = tuple(file.sha256 for file in loaded if file is not None and file.sha256 is not None)
    return Subject(server.model, hashes, server.kind.name, choice.knob.name)


def _advice(settings: TuneSettings, target: Target, choice: KnobChoice, draft_length: int) -> tuple[Advice, ...]:
    server, knob = target.server, choice.knob
    by_arguments = knob.kind is KnobKind.RELOAD or PLACEHOLDER in (settings.server_command or "")
    alias = knob.request_change(draft_length).model if knob.kind is KnobKind.MODEL_ALIAS else None
    return advice_for(
        server.kind.name,
        draft_length,
        base_url=server.base_url,
        model=server.model,
        product=server.recognition.product,
        started_with=(settings.drafting or DraftArgs()) if by_arguments else None,
        alias=alias,
    )


def _closed(tuning: Tuning, status: Status, reason: str | None) -> Tuning:
    return tuning.model_copy(update={"status": status, "reason": reason, "ended_at": datetime.now(UTC)})
