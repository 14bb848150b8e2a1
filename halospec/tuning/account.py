"""``tune.json``: what a search was asked, where it ran, and what came of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from halospec.records.fitness import Finding
from halospec.records.manifest import ServerDescription, Status
from halospec.records.probe import ProbeReport
from halospec.records.store import StoreError, write_whole
from halospec.telemetry.host import HostFacts
from halospec.tuning.advice import Advice
from halospec.tuning.result import TuneResult

_FILE = "tune.json"


class Tuning(BaseModel):
    """One search.

    Attributes
    ----------
    settings
        What the command line asked for, without keys.
    fitness
        How fit the machine was to measure on when the search began.
    budget
        Requests that the rounds have in all, the probe's not among them.
    result, advice
        None and empty until the last round is over.
    """

    model_config = ConfigDict(frozen=True)

    halospec: str
    status: Status
    reason: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    settings: dict[str, JsonValue]
    knob: str
    probe: ProbeReport
    budget: int
    server: ServerDescription
    host: HostFacts
    fitness: tuple[Finding, ...] = ()
    packages: dict[str, str]
    prompt_set_sha256: str
    result: TuneResult | None = None
    advice: tuple[Advice, ...] = ()


def tuning_file(directory: Path) -> Path:
    """Return where a search says what came of it."""
    return directory / _FILE


def read_tuning(directory: Path) -> Tuning:
    """Read what a search says of itself.

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    path = tuning_file(directory)
    try:
        return Tuning.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist; give the directory of a search.") from error
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} is not a readable account of a search: {str(error).splitlines()[0]}.") from error


def write_tuning(tuning: Tuning, directory: Path) -> None:
    """Write what a search says of itself, whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    write_whole(tuning_file(directory), tuning.model_dump_json(indent=2).encode() + b"\n")
