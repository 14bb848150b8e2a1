"""``manifest.json``: what ran, where, with which versions, and how it ended."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from halospec.records.fitness import Finding
from halospec.records.probe import ProbeReport
from halospec.records.schema import SCHEMA_VERSION
from halospec.records.store import StoreError, first_reason, write_whole
from halospec.records.telemetry import TelemetryAccount
from halospec.telemetry.host import HostFacts


class Status(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class PlannedTrial(BaseModel):
    """One trial, in the order in which it was to run.

    Attributes
    ----------
    together
        The modes that take turns in it; empty for a trial of one mode.
    trial_id
        Hash of all that defines it; ``None`` in manifests from before there was one.
    """

    model_config = ConfigDict(frozen=True)

    block: int
    mode: str
    together: tuple[str, ...] = ()
    steps: int | None
    seconds: float | None
    load: dict[str, float | None] | None
    trial_id: str | None = None


class PlannedPrompt(BaseModel):
    """One prompt that was sent."""

    model_config = ConfigDict(frozen=True)

    prompt_id: str
    domain: str | None
    text: str


class ServerDescription(BaseModel):
    """The server as it described itself.

    Attributes
    ----------
    account
        Pages on which it says what runs there, such as llama-server's ``/props``, by path.
    loaded
        The bundled server's account of its model pair.
    """

    model_config = ConfigDict(frozen=True)

    base_url: str
    model: str
    models: tuple[str, ...]
    kind: str | None = None
    version: str | None = None
    server_header: str | None
    account: dict[str, JsonValue] = {}
    loaded: dict[str, Any] | None


class RunningProcess(BaseModel):
    """The process that measures; its number alone may be another's by the time that somebody looks."""

    model_config = ConfigDict(frozen=True)

    pid: int
    created_at: float
    host: str


class Resumption(BaseModel):
    """One time that a run which had been cut short went on.

    Attributes
    ----------
    after_records
        Whole records that the journal held.
    voided
        Those of them that were marked void then, since their trial was begun anew.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    after_records: int
    voided: int


class Manifest(BaseModel):
    """Everything about a run but its records.

    Attributes
    ----------
    settings
        What the command line asked for, without the API key.
    started_at
        Wall-clock time at which the run's own clock read 0.
    knob, placebo, probe
        How k reached the server, whether the run went on although it has no effect there, and what the probe found;
        manifests from before there was a probe hold none of them.
    design
        How modes were spread over time (halospec.experiment.plan.Design).
    loads
        What is injected in the load phases, as the command line spells it; manifests from when CPU burners were the
        only kind do not hold it.
    pairing_sha256
        Hash of all that decides which request has which prompt and place: runs that share it can be compared request
        by request.
    process
        Which process measures; ``None`` once the run has ended.
    fitness
        What there was to say of the machine as one to measure on, when the run began.
    telemetry
        What was read off the machine meanwhile; ``None`` where it was off.
    status
        ``running`` in the manifest of a run that is not running means that it was killed.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    halospec: str
    status: Status
    reason: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    seed: int
    settings: dict[str, Any]
    knob: str | None = None
    placebo: bool = False
    probe: ProbeReport | None = None
    design: str | None = None
    loads: tuple[str, ...] | None = None
    pairing_sha256: str | None = None
    resumptions: tuple[Resumption, ...] = ()
    process: RunningProcess | None = None
    server: ServerDescription
    host: HostFacts
    fitness: tuple[Finding, ...] = ()
    telemetry: TelemetryAccount | None = None
    packages: dict[str, str]
    trials: tuple[PlannedTrial, ...]
    prompts: tuple[PlannedPrompt, ...]
    prompt_set_sha256: str


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the manifest, whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    write_whole(path, manifest.model_dump_json(indent=2).encode() + b"\n")


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None if there is none.

    Raises
    ------
    StoreError
        If there is one and it is not a manifest.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValidationError as error:
        raise StoreError(f"{path} is not a manifest: {first_reason(error)}.") from error
