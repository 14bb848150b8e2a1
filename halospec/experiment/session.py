"""A run from its settings to its directory: check first, record everything, say how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio
from pydantic import ValidationError

import halospec
from halospec.clock import Clock, resume_clock, start_clock
from halospec.config import AUTO, RunSettings, require_loads_here
from halospec.contention.report import LoadReport
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.preflight import PreflightError
from halospec.endpoints.types import ChatRequest, EndpointError, Message
from halospec.experiment.coverage import NOTHING_DONE, Coverage, coverage_of
from halospec.experiment.description import require_unused_directory
from halospec.experiment.feasibility import (
    PlanRefused,
    feasible_part,
    lengths_of,
    require_feasible,
    require_server_for,
    telling_lengths,
)
from halospec.experiment.forecast import forecast, forecast_sentences
from halospec.experiment.knob_choice import KnobChoice, choose_knob, unprobed_knob
from halospec.experiment.measuring import Measuring, MeasuringObserver, needs_more_blocks
from halospec.experiment.plan import Plan
from halospec.experiment.plan_file import read_plan, write_plan
from halospec.experiment.resume import last_moment_ns, prepare_resumption
from halospec.experiment.run_manifest import (
    close_manifest,
    describe_server,
    difference,
    is_alive,
    manifest_of,
    this_process,
    trial_ids_of,
    with_plan,
)
from halospec.experiment.server_account import account_of
from halospec.experiment.timings import probed_timings
from halospec.experiment.token_counts import require_countable_tokens
from halospec.experiment.watching import telemetry_of
from halospec.knobs.arguments import MASK
from halospec.knobs.types import Knob, KnobError, KnobKind
from halospec.probe.errors import ProbeError
from halospec.probe.observer import ProbeObserver
from halospec.probe.settings import ProbeSettings
from halospec.records.manifest import Manifest, Resumption, Status, read_manifest, write_manifest
from halospec.records.probe import ProbeReport
from halospec.records.schema import RequestRecord
from halospec.records.store import RunFiles, StoreError, read_lines
from halospec.target import Target, open_target, probe_target
from halospec.telemetry.opening import continued

_SETTLING_TOKENS = 8


class SessionObserver(MeasuringObserver, ProbeObserver, Protocol):
    """Watches a session from its probe to its end."""


async def run_session(settings: RunSettings, plan: Plan, observer: SessionObserver) -> None:
    """Probe the server, then run a plan into ``settings.out``.

    Parameters
    ----------
    plan
        Where the modes were not named by the user, those that the knob cannot carry out are left out of it.

    Raises
    ------
    PreflightError, ProbeError, PlaceboRefused, PlanRefused
        If no run can be made against this server; no run has been written then.
    StoreError
        If the directory holds a run already, or a file cannot be written.
    ServerGone, ContentionError, KnobError
        If the run had to stop; what was measured is kept and the manifest says why.
    """
    files = RunFiles(settings.out)
    require_unused_directory(files.directory, files.manifest, files.records)
    clock = start_clock()
    started_at = datetime.now(UTC)
    async with _open(settings, plan, clock, files) as target:
        report, choice = await _probe(settings, plan, target, observer)
        plan = _feasible(plan, choice, settings, observer)
        await _make_ready(target, choice.knob, plan)
        account = await account_of(target.server.kind.name, target.api, settings.connection.api_key)
        server = describe_server(target.server, account)
        timings = None if report is None or choice.report is None else probed_timings(report, choice.report)
        for sentence in forecast_sentences(forecast(plan, timings), pilot_follows=True):
            observer.told(sentence)
        with telemetry_of(settings, plan, target) as telemetry:
            read = await telemetry.account(observer.told)
            manifest = manifest_of(settings, plan, server, report, choice, started_at, read)
            # The manifest last: what makes the directory that of a run is only there with all that it needs to go on.
            write_plan(plan, files.plan)
            write_manifest(manifest, files.manifest)
            measuring = Measuring(settings, plan, target, choice, manifest, files, observer, telemetry)
            await _measure(measuring, NOTHING_DONE)


async def resume_session(settings: RunSettings, observer: SessionObserver) -> None:
    """Go on with the run in ``settings.out`` where it was cut short, by its own plan.

    Parameters
    ----------
    settings
        Those that the run began with, and how to reach the server now.

    Raises
    ------
    StoreError
        If there is no run there that could go on.
    PreflightError
        If the server is not the one that the run began with.
    """
    files = RunFiles(settings.out)
    manifest, plan = _begun(files, may_have_grown=settings.precision is not None)
    with _refused():
        settings.require_judgeable(plan)
    manifest = _judged_anew(manifest, settings)
    if _is_complete(manifest, plan, files) and not needs_more_blocks(settings, plan, files):
        observer.told("Nothing of this run is left to do.")
        write_manifest(manifest, files.manifest)
        if manifest.status is not Status.COMPLETE or manifest.reason is not None:
            close_manifest(files, Status.COMPLETE, None)
        return
    with _refused():
        require_loads_here(plan)
    clock = resume_clock(manifest.started_at, last_moment_ns(files))
    async with _open(settings, plan, clock, files) as target:
        now = describe_server(target.server, manifest.server.account)
        other = difference(manifest.server, now)
        if other is not None:
            raise PreflightError(f"The server at {now.base_url} is not the one that the run began with: {other}.")
        _, choice = await _probe(settings, plan, target, observer)
        if choice.placebo and not manifest.placebo:
            raise PreflightError(
                f"The server ignores the draft length now (knob {choice.knob.name}), and obeyed it when the run began;"
                " start it as it was then."
            )
        choice = replace(choice, placebo=manifest.placebo)
        await _make_ready(target, choice.knob, plan)
        resumed = prepare_resumption(files, plan, trial_ids_of(manifest))
        resumption = Resumption(at=datetime.now(UTC), after_records=resumed.records, voided=resumed.voided)
        going_on = {"status": Status.RUNNING, "reason": None, "ended_at": None, "process": this_process()}
        manifest = manifest.model_copy(update={"resumptions": (*manifest.resumptions, resumption), **going_on})
        observer.told(_resumed_sentence(resumption))
        with telemetry_of(settings, plan, target) as telemetry:
            before = manifest.telemetry
            read = await telemetry.account(observer.told, idle=before.idle if before else None)
            manifest = manifest.model_copy(update={"telemetry": continued(before, read)})
            write_manifest(manifest, files.manifest)
            measuring = Measuring(settings, plan, target, choice, manifest, files, observer, telemetry)
            await _measure(measuring, resumed.coverage)


def settings_to_resume(directory: Path, given: Mapping[str, object]) -> RunSettings:
    """Return the settings that a run began with, with what is given now in their place.

    Raises
    ------
    StoreError
        If there is no run in the directory that says how it began, or it began with a secret that was not kept.
    """
    manifest = read_manifest(RunFiles(directory).manifest)
    if manifest is None:
        raise StoreError(f"{directory} holds no manifest.json, so nothing tells how its run began.")
    kept = {name: value for name, value in manifest.settings.items() if name in RunSettings.model_fields}
    replaced = {name: value for name, value in given.items() if value is not None}
    settings = {**kept, "knob": manifest.knob or AUTO, **replaced, "plan_file": None, "out": directory}
    if settings.get("server_command") and MASK in str(settings["server_command"]):
        raise StoreError("The server's command line held a key, which is not kept; give --server-command again.")
    try:
        return RunSettings.model_validate(settings)
    except ValidationError as problem:
        reason = problem.errors(include_url=False)[0]["msg"]
        raise StoreError(f"The settings in {directory}/manifest.json cannot be used: {reason}.") from problem


def _begun(files: RunFiles, *, may_have_grown: bool) -> tuple[Manifest, Plan]:
    """Return the manifest and the plan of a run that can go on."""
    manifest = read_manifest(files.manifest)
    if manifest is None or not files.plan.exists():
        raise StoreError(f"{files.directory} holds no manifest.json and plan.json, so its run cannot go on.")
    if manifest.halospec != halospec.__version__:
        raise StoreError(
            f"The run in {files.directory} began with halospec {manifest.halospec}, and this is {halospec.__version__};"
            " a run goes on with the version that it began with."
        )
    if manifest.status is Status.RUNNING and manifest.process is not None and is_alive(manifest.process):
        raise StoreError(f"The run in {files.directory} is still under way (process {manifest.process.pid}).")
    plan = read_plan(files.plan)
    began, now = manifest.trials, with_plan(manifest, plan).trials
    # A run that was killed while it added blocks has them in its manifest first.
    expected = tuple(trial for trial in began if trial.block <= plan.blocks) if may_have_grown else began
    if now != expected:
        raise StoreError(
            f"{files.plan} is not the plan that this run began with, so its trials would not be those on record; put"
            " it back as it was, or begin another run with it (--plan)."
        )
    return manifest, plan


def _judged_anew(manifest: Manifest, settings: RunSettings) -> Manifest:
    """Return the manifest with what a run is judged by, and may last, as it is wanted now."""
    judging = settings.model_dump(mode="json", include={"slo", "reference", "max_minutes"})
    return manifest.model_copy(update={"settings": manifest.settings | judging})


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        raise PlanRefused(str(problem)) from problem


def _is_complete(manifest: Manifest, plan: Plan, files: RunFiles) -> bool:
    """Tell whether every trial of a plan has been carried out."""
    records = read_lines(files.records, RequestRecord)
    covered = coverage_of(plan, trial_ids_of(manifest), records, read_lines(files.load, LoadReport))
    return all(covered.of(trial).done for trial in plan.trials)


@asynccontextmanager
async def _open(settings: RunSettings, plan: Plan, clock: Clock, files: RunFiles) -> AsyncIterator[Target]:
    longest = telling_lengths(plan)[-1]
    async with open_target(settings.with_settled_knob(), clock, files.server_log, first_length=longest) as target:
        require_server_for(plan, target.server.kind.name, [knob.name for knob in target.knobs])
        yield target


async def _probe(
    settings: RunSettings, plan: Plan, target: Target, observer: SessionObserver
) -> tuple[ProbeReport | None, KnobChoice]:
    asked = ProbeSettings(seed=plan.seed, lengths=telling_lengths(plan), traits=False)
    try:
        report = await probe_target(target, asked, observer)
    except ProbeError as problem:
        if not settings.allow_placebo:
            raise
        observer.told(str(problem))
        return None, unprobed_knob(target.knobs)
    return report, choose_knob(report, target.knobs, lengths_of(plan), allow_placebo=settings.allow_placebo)


async def _make_ready(target: Target, knob: Knob, plan: Plan) -> None:
    """Have aliases loaded, and make sure that tokens can be counted."""
    async with target.endpoint(knob) as endpoint:
        await settle(endpoint, knob, plan)
        await require_countable_tokens(endpoint, plan.prompts[0].text, min(lengths_of(plan)))


async def settle(endpoint: ChatEndpoint, knob: Knob, plan: Plan) -> None:
    """Have every alias loaded and asked once, so that no controller meets one that is still cold."""
    if knob.kind is not KnobKind.MODEL_ALIAS:
        return
    first = ChatRequest((Message("user", plan.prompts[0].text),), max_tokens=_SETTLING_TOKENS)
    for draft_length in sorted(lengths_of(plan)):
        await knob.switch_to(draft_length)
        try:
            await endpoint.complete(first, draft_length)
        except EndpointError as error:
            raise KnobError(f"The alias for k = {draft_length} does not answer: {error.reason}") from error


def _feasible(plan: Plan, choice: KnobChoice, settings: RunSettings, observer: SessionObserver) -> Plan:
    if settings.modes is not None or settings.preset is not None or settings.plan_file is not None:
        require_feasible(plan, choice.knob, choice.report)
        return plan
    plan, left_out = feasible_part(plan, choice.knob, choice.report)
    for reason in left_out:
        observer.told(f"Left out: {reason}")
    with _refused():
        settings.require_judgeable(plan)
    return plan


def _resumed_sentence(resumption: Resumption) -> str:
    voided = f", {resumption.voided} of them void now: their trials are begun anew" if resumption.voided else ""
    return f"Going on after {resumption.after_records} records{voided}."


async def _measure(measuring: Measuring, progress: Coverage) -> None:
    try:
        ended = await measuring.run(progress)
    except anyio.get_cancelled_exc_class():
        close_manifest(measuring.files, Status.INTERRUPTED, "interrupted by the user")
        raise
    except Exception as error:
        close_manifest(measuring.files, Status.FAILED, str(error) or type(error).__name__)
        raise
    except SystemExit:
        # So ends a process whose output nobody reads any more.
        close_manifest(measuring.files, Status.FAILED, "what it had to say could not be written")
        raise
    close_manifest(measuring.files, Status.COMPLETE, ended)
