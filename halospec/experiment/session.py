"""A run from its settings to its directory: check first, record everything, say how it ended."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import anyio

import halospec
from halospec.clock import start_clock
from halospec.config import RunSettings, debug_json_wanted
from halospec.contention.cpu import CpuInjector, CpuLoadSettings
from halospec.contention.report import LoadReport
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.preflight import ServerFacts, check_server
from halospec.endpoints.retry import RetryPolicy
from halospec.endpoints.types import RequestChange
from halospec.experiment.plan import Plan
from halospec.experiment.recording import Place
from halospec.experiment.runner import Observer, Runner, Sampling
from halospec.records.manifest import (
    Manifest,
    PlannedPrompt,
    PlannedTrial,
    ServerDescription,
    Status,
    write_manifest,
)
from halospec.records.schema import RequestRecord
from halospec.records.store import RecordJournal, RunFiles, StoreError
from halospec.telemetry.host import host_facts
from halospec.workloads.prompts import prompt_set_sha256

_PACKAGES = ("anyio", "httpx", "numpy", "pandas", "psutil", "pydantic", "llama-cpp-python")


async def run_session(settings: RunSettings, plan: Plan, cpu_load: CpuLoadSettings, observer: Observer) -> None:
    """Run a plan into ``settings.out``, with this much load where the plan has any.

    Raises
    ------
    PreflightError
        If no run can be made against this server; nothing has been written then.
    StoreError
        If the directory holds a run already, or a file cannot be written.
    ServerGone, ContentionError
        If the run had to stop; what was measured is kept and the manifest says why.
    """
    files = RunFiles(settings.out)
    _refuse_used_directory(files)
    connection = ConnectionSettings(settings.api_key.get_secret_value() if settings.api_key else None)
    server = await check_server(settings.url, model=settings.model, connection=connection)
    clock = start_clock()
    manifest = _manifest(settings, plan, server)
    write_manifest(manifest, files.manifest)
    endpoint = ChatEndpoint(
        server.base_url,
        server.model,
        clock,
        dialect=server.dialect,
        steer=lambda draft_length: RequestChange(fields={"draft_length": draft_length}),
        connection=connection,
        timeout_s=settings.timeout_s,
        debug_json=debug_json_wanted(),
    )
    try:
        with RecordJournal(files.records) as records, RecordJournal(files.load) as loads:
            async with endpoint:
                runner = Runner(
                    endpoint,
                    lambda: CpuInjector(cpu_load, clock),
                    _Keeping(records, loads, observer),
                    clock,
                    sampling=Sampling(settings.max_tokens, settings.temperature, settings.ignore_eos),
                    seed=settings.seed,
                    retries=RetryPolicy(),
                    max_failures=settings.max_failures,
                )
                await runner.run(plan)
    except anyio.get_cancelled_exc_class():
        _close(manifest, files, Status.INTERRUPTED, "interrupted by the user")
        raise
    except Exception as error:
        _close(manifest, files, Status.FAILED, str(error) or type(error).__name__)
        raise
    _close(manifest, files, Status.COMPLETE, None)


class _Keeping:
    """Puts what the runner reports on disk, then passes it on."""

    def __init__(self, records: RecordJournal, loads: RecordJournal, observer: Observer) -> None:
        self._records = records
        self._loads = loads
        self._observer = observer

    def request_sent(self, place: Place, draft_length: int) -> None:
        self._observer.request_sent(place, draft_length)

    def request_ended(self, record: RequestRecord) -> None:
        self._records.append(record)
        self._observer.request_ended(record)

    def trial_ended(self, load: LoadReport) -> None:
        self._loads.append(load)
        self._observer.trial_ended(load)


def _refuse_used_directory(files: RunFiles) -> None:
    used = next((path for path in (files.manifest, files.records) if path.exists()), None)
    if used is not None:
        raise StoreError(f"{files.directory} holds a run already ({used.name}); give another directory with --out.")


def _close(manifest: Manifest, files: RunFiles, status: Status, reason: str | None) -> None:
    ended = {"status": status, "reason": reason, "ended_at": datetime.now(UTC)}
    write_manifest(manifest.model_copy(update=ended), files.manifest)


def _manifest(settings: RunSettings, plan: Plan, server: ServerFacts) -> Manifest:
    return Manifest(
        halospec=halospec.__version__,
        status=Status.RUNNING,
        started_at=datetime.now(UTC),
        seed=settings.seed,
        settings=settings.model_dump(mode="json"),
        server=ServerDescription(
            base_url=server.base_url,
            model=server.model,
            models=server.models,
            server_header=server.server_header,
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


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
