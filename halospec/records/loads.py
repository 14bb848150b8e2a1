"""What was put on the machine during a trial, as offered and as measured: a line of ``load.jsonl``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

_BEFORE_THERE_WERE_KINDS = ("workers", "offered_percent", "achieved_percent", "started_ns", "ended_ns", "samples")
_Moment = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class LoadKind(StrEnum):
    """What is contended for."""

    CPU = "cpu"
    MEMORY = "memory"
    CACHE = "cache"
    DISK = "disk"
    PROCESS = "process"


class InjectedLoad(BaseModel):
    """One load of a trial, as offered and as measured.

    Attributes
    ----------
    name
        As the command line spells it.
    unit
        Of ``offered``, ``achieved`` and the samples.
    offered
        Its amount at full level; ``None`` for a process, which has none.
    achieved
        What it did, weighted by time, and what its profile asked for on the same average (``target``); ``None`` if it
        did not run.
    started_ns, ended_ns
        From the first sample to the last; ``None`` if it did not run.
    samples
        ``[started_ns, ended_ns, amount, target, at_work]``, amounts rounded to three decimals.
    ended_early
        What is known of workers that ended by themselves, such as a command that was done or a disk that was full.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: LoadKind
    unit: str
    workers: int = Field(ge=1)
    offered: float | None = Field(default=None, ge=0.0)
    achieved: float | None = Field(default=None, ge=0.0)
    target: float | None = Field(default=None, ge=0.0)
    started_ns: int | None = None
    ended_ns: int | None = None
    samples: tuple[tuple[_Moment, _Moment, float, float | None, bool], ...] = ()
    ended_early: str | None = None


class LoadReport(BaseModel):
    """The loads of one trial.

    Lines from when CPU load was the only kind are read as such.

    Attributes
    ----------
    loads
        Empty without load.
    trial_attempt
        As in the trial's records.
    steps
        Measured steps of a trial that came to its end; ``None`` for one that was cut short.
    """

    model_config = ConfigDict(frozen=True)

    block: int = Field(ge=1)
    mode: str
    loads: tuple[InjectedLoad, ...] = ()
    trial_id: str | None = None
    trial_attempt: int = Field(default=1, ge=1)
    steps: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_when_there_was_one_kind(cls, line: Any) -> Any:
        if not isinstance(line, dict) or "workers" not in line or "loads" in line:
            return line
        kept = {name: value for name, value in line.items() if name not in _BEFORE_THERE_WERE_KINDS}
        try:
            return kept | {"loads": [_cpu_load_of(line)] if line["workers"] else []}
        except TypeError as error:
            # Pydantic takes this kind of error for the program's own and not for the line's.
            raise ValueError(str(error)) from error


def _cpu_load_of(line: dict[str, Any]) -> dict[str, Any]:
    percent = line.get("offered_percent", 100.0)
    return {
        "name": f"cpu:{percent:g}%@workers={line['workers']}",
        "kind": LoadKind.CPU,
        "unit": "%",
        "workers": line["workers"],
        "offered": percent,
        "achieved": line.get("achieved_percent"),
        "target": None if line.get("achieved_percent") is None else percent,
        "started_ns": line.get("started_ns"),
        "ended_ns": line.get("ended_ns"),
        # Burners that got more than 1 % were taken to be at work.
        "samples": [[began, ended, got, percent, got > 1.0] for began, ended, got in line.get("samples", ())],
    }
