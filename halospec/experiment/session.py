"""A run from its settings to its directory: check first, record everything, say how it ended."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import anyio
from pydantic import JsonValue

import halospec
from halospec.clock import start_clock
from halospec.config import AUTO, RunSettings
from halospec.contention.cpu import CpuInjector, CpuLoadSettings
from halospec.contention.report import LoadReport
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.retry import RetryPolicy
from halospec.endpoints.types import ChatRequest, EndpointError, Message
from halospec.experiment.feasibility import feasible_part, lengths_of, require_feasible, telling_lengths
from halospec.experiment.knob_choice import KnobChoice, choose_knob, unprobed_knob
from halospec.experiment.plan import Plan
from halospec.experiment.recording import Place, switch_record_of
from halospec.experiment.runner import Observer, Runner, Sampling
from halospec.experiment.server_account import account_of
from halospec.experiment.token_counts import require_countable_tokens
from halospec.knobs.arguments import shown_arguments, split_arguments
from halospec.knobs.restart import Restart
from halospec.knobs.types import Knob, KnobError, KnobKind, Switch
from halospec.probe.errors import ProbeError
from halospec.probe.observer import ProbeObserver
from halospec.probe.settings import ProbeSettings
from halospec.records.manifest import (
    Manifest,
    PlannedPrompt,
    PlannedTrial,
    ServerDescription,
    Status,
    write_manifest,
)
from halospec.records.probe import ProbeReport
from halospec.records.schema import RequestRecord
from halospec.records.store import RecordJournal, RunFiles, StoreError
from halospec.target import Target, open_target, probe_target
from halospec.telemetry.host import host_facts
from halospec.workloads.prompts import prompt_set_sha256

_SETTLING_TOKENS = 8
_COMMAND_LINES = ("server_command", "draft_args", "no_draft_args")
"""Settings in which a key may stand among the arguments."""
_PACKAGES = ("anyio", "httpx", "numpy", "pandas", "psutil", "pydantic", "llama-cpp-python")


async def run_session(settings: RunSettings, plan: Plan, cpu_load: CpuLoadSettings, observer: SessionObserver) -> None:
    """Probe the server, then run a plan into ``settings.out``, with this much load where the plan has any.

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
    _refuse_unfit_directory(files)
    clock = start_clock()
    started_at = datetime.now(UTC)
    longest = telling_lengths(plan)[-1]
    async with open_target(_knob_settled(settings), clock, files.server_log, first_length=longest) as target:
        report, choice = await _probe(settings, plan, target, observer)
        plan = _feasible(plan, choice, settings, observer)
        async with target.endpoint(choice.knob) as endpoint:
            await _settle(endpoint, choice.knob, plan)
            await require_countable_tokens(endpoint, plan.prompts[0].text, min(lengths_of(plan)))
        account = await account_of(target.server.kind.name, target.api, settings.connection.api_key)
        manifest = _manifest(settings, plan, target, account, report, choice, started_at)
        write_manifest(manifest, files.manifest)
        observer.run_planned(plan, choice)
        try:
            await _measure(settings, plan, target, choice, cpu_load, files, observer)
        except anyio.get_cancelled_exc_class():
            _close(manifest, files, Status.INTERRUPTED, "interrupted by the user")
            raise
        except Exception as error:
            _close(manifest, files, Status.FAILED, str(error) or type(error).__name__)
            raise
        _close(manifest, files, Status.COMPLETE, None)


def _knob_settled(settings: RunSettings) -> RunSettings:
    """Whoever gives a command for the server wants it started anew: a run need not try the other knobs first."""
    if settings.server_command is not None and settings.knob == AUTO:
        return settings.model_copy(update={"knob": Restart.name})
    return settings


async def _probe(
    settings: RunSettings, plan: Plan, target: Target, observer: SessionObserver
) -> tuple[ProbeReport | None, KnobChoice]:
    asked = ProbeSettings(seed=settings.seed, lengths=telling_lengths(plan), traits=False)
    try:
        report = await probe_target(target, asked, observer)
    except ProbeError as problem:
        if not settings.allow_placebo:
            raise
        observer.told(str(problem))
        return None, unprobed_knob(target.knobs)
    return report, choose_knob(report, target.knobs, lengths_of(plan), allow_placebo=settings.allow_placebo)


async def _measure(
    settings: RunSettings,
    plan: Plan,
    target: Target,
    choice: KnobChoice,
    cpu_load: CpuLoadSettings,
    files: RunFiles,
    observer: SessionObserver,
) -> None:
    with (
        RecordJournal(files.records) as records,
        RecordJournal(files.load) as loads,
        RecordJournal(files.switches) as switches,
    ):
        async with target.endpoint(choice.knob) as endpoint:
            runner = Runner(
                endpoint,
                choice.knob,
                lambda: CpuInjector(cpu_load, target.clock),
                _Keeping(records, loads, switches, observer),
                target.clock,
                sampling=Sampling(settings.max_tokens, settings.temperature, settings.ignore_eos),
                seed=settings.seed,
                retries=RetryPolicy(),
                max_failures=settings.max_failures,
                placebo=choice.placebo,
            )
            await runner.run(plan)


async def _settle(endpoint: ChatEndpoint, knob: Knob, plan: Plan) -> None:
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
    if settings.modes is not None or settings.preset is not None:
        require_feasible(plan, choice.knob, choice.report)
        return plan
    plan, left_out = feasible_part(plan, choice.knob, choice.report)
    for reason in left_out:
        observer.told(f"Left out: {reason}")
    return plan


class SessionObserver(Observer, ProbeObserver, Protocol):
    """Watches a session from its probe to its end."""

    def run_planned(self, plan: Plan, choice: KnobChoice) -> None:
        """Learn what will run, and through which knob."""
        ...

    def told(self, sentence: str) -> None:
        """Learn something that the user should read."""
        ...


class _Keeping:
    """Puts what the runner reports on disk, then passes it on."""

    def __init__(
        self, records: RecordJournal, loads: RecordJournal, switches: RecordJournal, observer: Observer
    ) -> None:
        self._records = records
        self._loads = loads
        self._switches = switches
        self._observer = observer

    def request_sent(self, place: Place, draft_length: int) -> None:
        self._observer.request_sent(place, draft_length)

    def request_ended(self, record: RequestRecord) -> None:
        self._records.append(record)
        self._observer.request_ended(record)

    def server_switched(self, place: Place, switch: Switch) -> None:
        self._switches.append(switch_record_of(place, switch))
        self._observer.server_switched(place, switch)

    def trial_ended(self, load: LoadReport) -> None:
        self._loads.append(load)
        self._observer.trial_ended(load)


def _refuse_unfit_directory(files: RunFiles) -> None:
    """Say so before the probe, and not after it, if no run can be written there."""
    used = next((path for path in (files.manifest, files.records) if path.exists()), None)
    if used is not None:
        raise StoreError(f"{files.directory} holds a run already ({used.name}); give another directory with --out.")
    directory = files.directory.absolute()
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise StoreError(f"Nothing can be written below {nearest}; give another directory with --out.")


def _close(manifest: Manifest, files: RunFiles, status: Status, reason: str | None) -> None:
    ended = {"status": status, "reason": reason, "ended_at": datetime.now(UTC)}
    write_manifest(manifest.model_copy(update=ended), files.manifest)


def _manifest(
    settings: RunSettings,
    plan: Plan,
    target: Target,
    account: Mapping[str, JsonValue],
    report: ProbeReport | None,
    choice: KnobChoice,
    started_at: datetime,
) -> Manifest:
    server = target.server
    return Manifest(
        halospec=halospec.__version__,
        status=Status.RUNNING,
        started_at=started_at,
        seed=settings.seed,
        knob=choice.knob.name,
        placebo=choice.placebo,
        probe=report,
        settings=settings.model_dump(mode="json")
        | {name: _without_secrets(getattr(settings, name)) for name in _COMMAND_LINES},
        server=ServerDescription(
            base_url=server.base_url,
            model=server.model,
            models=server.models,
            kind=server.kind.name,
            version=server.recognition.version,
            server_header=server.server_header,
            account=dict(account),
            loaded=server.model_meta.model_dump(mode="json") if server.model_meta else None,
        ),
        host=host_facts(),
        packages={"python": platform.python_version()} | {n: v for n in _PACKAGES if (v := _version_of(n))},
        trials=tuple(
            PlannedTrial(
                block=trial.block,
                mode=trial.mode,
                steps=trial.phases.steps,
                seconds=trial.phases.seconds,
                load=asdict(trial.phases.load) if trial.phases.load else None,
            )
            for trial in plan.trials
        ),
        prompts=tuple(PlannedPrompt(prompt_id=p.prompt_id, domain=p.domain, text=p.text) for p in plan.prompts),
        prompt_set_sha256=prompt_set_sha256(plan.prompts),
    )


def _without_secrets(command: str | None) -> str | None:
    return None if command is None else shown_arguments(split_arguments(command))


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
