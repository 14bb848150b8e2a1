"""A recording from its settings to its directory: trace the texts, time the rounds, write it all at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import anyio

import halospec
from halospec.clock import start_clock
from halospec.doctor import QUICK_LOOK_S, examine
from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.chat import ChatEndpoint
from halospec.experiment.description import software_versions
from halospec.recordings.costs import CostObserver, TimedTexts, record_costs
from halospec.recordings.files import RecordingFiles, write_recording
from halospec.recordings.rounds import VisitedRounds, recorded_rounds
from halospec.recordings.settings import RecordingSettings
from halospec.recordings.traces import Traces, trace_texts
from halospec.recordings.types import Recording
from halospec.recordings.visits import ThreadSetting, Visit
from halospec.records.fitness import Finding
from halospec.records.store import StoreError
from halospec.server_process import ServerProcessError, bundled_server
from halospec.telemetry.host import HostFacts, host_facts
from halospec.workloads.prompts import Prompt, prompt_set_sha256

_REPLY_TIMEOUT_S = 600.0
"""A text under load may take long; one that takes this long never ends."""


class RecordingObserver(CostObserver, Protocol):
    """Watches a recording from its first text to its last round."""

    def traces_planned(self, prompts: int) -> None:
        """Learn how many texts will be traced."""
        ...

    def text_traced(self, prompt_id: str, tokens: int) -> None:
        """Learn that one is done."""
        ...


def record(
    settings: RecordingSettings, prompts: Sequence[Prompt], command: str, observer: RecordingObserver
) -> Recording:
    """Record a pair into ``settings.out``, which appears when everything has been measured.

    Parameters
    ----------
    command
        The command line, for the account.

    Raises
    ------
    StoreError
        If there is a recording already, or it cannot be written.
    ServerProcessError
        If the tracer or the server cannot be started, or gives up.
    CostsFailed, UnusableRounds, ContentionError
        If rounds could not be timed.
    """
    _require_room(settings)
    started_at, host = datetime.now(UTC), host_facts()
    fitness = examine(look_s=QUICK_LOOK_S, runs=settings.out.parent)
    with _log_of_failures(settings.out) as log_path:
        observer.traces_planned(len(prompts))
        traces = trace_texts(_tracer_options(settings), prompts, log_path, observer.text_traced)
        own = ThreadSetting(traces.pair.threads, traces.pair.draft_threads)
        visits = settings.visits(own, len(prompts)) if settings.costs else ()
        visited = _time_rounds(settings, prompts, traces, visits, log_path, observer) if visits else ()
    recording = Recording(
        pair=settings.pair_name,
        texts=traces.texts,
        rounds=recorded_rounds(visited),
        threads=own.threads,
        draft_threads=own.draft_threads,
        about=_account(settings, prompts, traces, command, started_at, host, fitness),
    )
    write_recording(recording, settings.out)
    return recording


def _require_room(settings: RecordingSettings) -> None:
    out = settings.out.absolute()
    if RecordingFiles(out).exist and not settings.force:
        raise StoreError(f"{settings.out} holds a recording already; give another directory, or --force to replace it.")
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise StoreError(f"Nothing can be written below {nearest}; give another directory.")


@contextmanager
def _log_of_failures(out: Path) -> Iterator[Path]:
    """Give a file for the logs of child processes, which stays only if one of them failed."""
    log_path = out.absolute().with_name(f".{out.absolute().name}.record-traces.log")
    log_path.unlink(missing_ok=True)
    try:
        yield log_path
    except ServerProcessError:
        raise
    except BaseException:
        log_path.unlink(missing_ok=True)
        raise
    log_path.unlink(missing_ok=True)


def _tracer_options(settings: RecordingSettings) -> tuple[str, ...]:
    lengths = ("--max-tokens", str(settings.max_tokens), "--check-width", str(settings.check_width))
    return (*settings.model_options, *lengths)


def _time_rounds(
    settings: RecordingSettings,
    prompts: Sequence[Prompt],
    traces: Traces,
    visits: Sequence[Visit],
    log_path: Path,
    observer: RecordingObserver,
) -> tuple[VisitedRounds, ...]:
    texts = TimedTexts(
        policy=f"uniform@max_length={settings.max_length}@seed={settings.seed}",
        max_tokens=settings.timed_tokens,
        prompts=tuple(prompts),
    )

    async def over_http(url: str) -> tuple[VisitedRounds, ...]:
        clock = start_clock()
        endpoint = ChatEndpoint(f"{url}/v1", traces.name, clock, dialect=BUNDLED.dialect, timeout_s=_REPLY_TIMEOUT_S)
        async with endpoint:
            return await record_costs(endpoint, texts, visits, clock, observer)

    with bundled_server(settings.model_options, log_path) as url:
        return anyio.run(over_http, url)


def _account(
    settings: RecordingSettings,
    prompts: Sequence[Prompt],
    traces: Traces,
    command: str,
    started_at: datetime,
    host: HostFacts,
    fitness: Sequence[Finding],
) -> Mapping[str, str]:
    asked = settings.model_dump(mode="json", exclude={"out", "force", "prompts"})
    model_files = {
        f"{role}.{name}": value
        for role, model in (("target", traces.pair.target), ("draft", traces.pair.draft))
        for name, value in model.model_dump().items()
    }
    machine = {f"machine.{name}": value for name, value in host.model_dump().items() if value is not None}
    return {
        "recorded_at": started_at.isoformat(timespec="seconds"),
        "halospec": halospec.__version__,
        "command": command,
        "prompts": f"{len(prompts)}, sha256 {prompt_set_sha256(prompts)}",
        "wide_passes": _wide_passes(settings, traces),
        "llama_cpp": traces.pair.llama_cpp,
        **{name: _in_words(value) for name, value in (model_files | machine).items()},
        **{f"fitness.{finding.name}": f"{finding.state.value}: {finding.found}" for finding in fitness},
        **{f"version.{name}": version for name, version in software_versions().items()},
        **{f"settings.{name}": _in_words(value) for name, value in asked.items() if value not in (None, [])},
    }


def _wide_passes(settings: RecordingSettings, traces: Traces) -> str:
    if traces.wide_differences is None:
        return "not compared with narrow ones"
    return (
        f"{traces.wide_differences} of {traces.tokens} tokens would be others in the target's passes of"
        f" {settings.check_width}"
    )


def _in_words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)
