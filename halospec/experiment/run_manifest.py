"""What a run's manifest says when it begins, and how it is brought up to date."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import psutil
from pydantic import JsonValue

import halospec
from halospec.config import RunSettings
from halospec.contention.spelling import spelled
from halospec.doctor import QUICK_LOOK_S, examine
from halospec.endpoints.preflight import ServerFacts
from halospec.endpoints.wire import ModelMeta
from halospec.experiment.coverage import TrialIds
from halospec.experiment.description import settings_to_keep, software_versions
from halospec.experiment.identity import Subject, pairing_sha256, trial_id
from halospec.experiment.knob_choice import KnobChoice
from halospec.experiment.plan import Plan
from halospec.records.manifest import (
    Manifest,
    PlannedPrompt,
    PlannedTrial,
    RunningProcess,
    ServerDescription,
    Status,
    read_manifest,
    write_manifest,
)
from halospec.records.probe import ProbeReport
from halospec.records.store import RunFiles
from halospec.records.telemetry import TelemetryAccount
from halospec.telemetry.host import host_facts
from halospec.workloads.prompts import prompt_set_sha256

_SAME_PROCESS_WITHIN_S = 1.0
"""The system's account of when a process began changes by its clock's steps."""


def subject_of(manifest: Manifest) -> Subject:
    """Return what a run measures: the server's model, its files where it says which, and the knob."""
    server = manifest.server
    return Subject(server.model, _file_hashes(server), server.kind or "", manifest.knob or "")


def difference(then: ServerDescription, now: ServerDescription) -> str | None:
    """Say in what a server differs from the one that a run began with; None if in nothing that is known."""
    for what, before, after in (
        ("kind", then.kind, now.kind),
        ("model", then.model, now.model),
        ("version", then.version, now.version),
    ):
        if before != after:
            return f"its {what} is {after or 'unknown'} and was {before or 'unknown'}"
    before_files, after_files = _file_hashes(then), _file_hashes(now)
    if before_files and after_files and before_files != after_files:
        return "its model files are others"
    return None


def describe_server(server: ServerFacts, account: Mapping[str, JsonValue]) -> ServerDescription:
    """Return what a server says of itself."""
    return ServerDescription(
        base_url=server.base_url,
        model=server.model,
        models=server.models,
        kind=server.kind.name,
        version=server.recognition.version,
        server_header=server.server_header,
        account=dict(account),
        loaded=server.model_meta.model_dump(mode="json") if server.model_meta else None,
    )


def _file_hashes(server: ServerDescription) -> tuple[str, ...]:
    loaded = ModelMeta.model_validate(server.loaded or {})
    hashes = (file.sha256 for file in (loaded.target, loaded.draft) if file is not None)
    return tuple(sha256 for sha256 in hashes if sha256 is not None)


def trial_ids_of(manifest: Manifest) -> TrialIds:
    """Return what gives each trial of a run's plan the identity that it began with."""
    ids = {(planned.block, planned.mode): planned.trial_id or "" for planned in manifest.trials}
    return lambda trial: ids[trial.block, trial.mode]


def with_plan(manifest: Manifest, plan: Plan) -> Manifest:
    """Return the manifest with a plan's trials and their identities."""
    subject = subject_of(manifest)
    trials = tuple(
        PlannedTrial(
            block=trial.block,
            mode=trial.mode,
            together=trial.together,
            steps=trial.phases.steps,
            seconds=trial.phases.seconds,
            load=asdict(trial.phases.load) if trial.phases.load else None,
            trial_id=trial_id(plan, trial, subject),
        )
        for trial in plan.trials
    )
    return manifest.model_copy(update={"trials": trials})


def manifest_of(
    settings: RunSettings,
    plan: Plan,
    server: ServerDescription,
    report: ProbeReport | None,
    choice: KnobChoice,
    started_at: datetime,
    telemetry: TelemetryAccount | None = None,
) -> Manifest:
    """Return the manifest of a run that begins."""
    manifest = Manifest(
        halospec=halospec.__version__,
        status=Status.RUNNING,
        process=this_process(),
        started_at=started_at,
        seed=plan.seed,
        knob=choice.knob.name,
        placebo=choice.placebo,
        probe=report,
        design=plan.design.value,
        loads=tuple(map(spelled, plan.loads)),
        pairing_sha256=pairing_sha256(plan),
        settings=settings_to_keep(settings) | asdict(plan.sampling),
        server=server,
        host=host_facts(),
        fitness=examine(look_s=QUICK_LOOK_S, runs=settings.out.parent, server_url=server.base_url),
        telemetry=telemetry,
        packages=software_versions(),
        trials=(),
        prompts=tuple(PlannedPrompt(prompt_id=p.prompt_id, domain=p.domain, text=p.text) for p in plan.prompts),
        prompt_set_sha256=prompt_set_sha256(plan.prompts),
    )
    return with_plan(manifest, plan)


def close_manifest(files: RunFiles, status: Status, reason: str | None) -> None:
    """Write how the run ended, into the manifest as it stands by then."""
    manifest = read_manifest(files.manifest)
    if manifest is not None:
        ended = {"status": status, "reason": reason, "ended_at": datetime.now(UTC), "process": None}
        write_manifest(manifest.model_copy(update=ended), files.manifest)


def this_process() -> RunningProcess:
    """Return what tells this process from every other on this machine."""
    return RunningProcess(pid=os.getpid(), created_at=psutil.Process().create_time(), host=platform.node())


def is_alive(process: RunningProcess) -> bool:
    """Tell whether a process that measures is still there, as far as this machine can tell."""
    if process.host != platform.node() or process.pid == os.getpid():
        return False
    try:
        return abs(psutil.Process(process.pid).create_time() - process.created_at) < _SAME_PROCESS_WITHIN_S
    except psutil.Error:
        return False
