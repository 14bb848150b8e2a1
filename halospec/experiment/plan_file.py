"""A plan as a file: what ``halospec plan`` writes, and what a run keeps of itself to go on with."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from halospec.contention.loads import CpuLoad, Load
from halospec.contention.several import LoadWords
from halospec.contention.spelling import load_spelled, spelled
from halospec.controllers.modes import mode_named
from halospec.experiment.phases import LoadWindow, PhasePlan
from halospec.experiment.plan import INTERLEAVED, Design, Pauses, Plan, Sampling, Trial, can_take_turns
from halospec.records.store import StoreError, write_whole
from halospec.workloads.prompts import Prompt

PLAN_VERSION = 2
"""Version 1 knew one load, of the CPU; it is read, and written as version 2."""

_Count = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(gt=0)]
_Rest = Annotated[float, Field(ge=0)]
_ModeName = Annotated[str, Field(min_length=1, max_length=256)]
_Text = Annotated[str, StringConstraints(pattern=r"\S")]


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan, whole or not at all; `read_plan` returns an equal one.

    Raises
    ------
    StoreError
        If it contradicts itself, or cannot be written.
    """
    try:
        content = _File.of(plan).model_dump_json(indent=2)
    except ValidationError as error:
        raise StoreError(f"The plan cannot be written to {path}: {_reason(error)}.") from error
    write_whole(path, content.encode() + b"\n")


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises
    ------
    StoreError
        If there is none, or it is of an unknown version, names unknown modes, leaves out blocks, or is otherwise none
        that could be run.
    """
    try:
        written = path.read_bytes()
        content = json.loads(written)
    except FileNotFoundError as error:
        raise StoreError(f"{path} does not exist; `halospec plan --out FILE` writes a plan.") from error
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not a plan: it is not JSON.") from error
    version = content.get("halospec_plan") if isinstance(content, dict) else None
    if type(version) is not int:
        raise StoreError(f'{path} is not a plan: it has no version ("halospec_plan").')
    if version not in _READ_AS:
        raise StoreError(
            f"{path} is a plan of version {version}, and this halospec knows versions up to {PLAN_VERSION}; write it"
            " anew with `halospec plan`."
        )
    try:
        return _READ_AS[version].model_validate_json(written).plan()
    except ValidationError as error:
        raise StoreError(f"{path} is not a plan that can be run: {_reason(error)}.") from error


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _LoadWindow(_Part):
    start_step: _Count | None
    stop_step: _Count | None
    start_s: _Rest | None
    duration_s: _Seconds | None

    @model_validator(mode="after")
    def _starts_once_and_stops_later(self) -> Self:
        if (self.start_step is None) == (self.start_s is None):
            raise ValueError("a load starts either at a step or at a time")
        if self.start_step is not None and self.stop_step is not None and self.stop_step <= self.start_step:
            raise ValueError("a load stops after the step at which it starts")
        return self


class _Phases(_Part):
    steps: _Count | None
    seconds: _Seconds | None
    load: _LoadWindow | None

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if (self.steps is None) == (self.seconds is None):
            raise ValueError("a trial lasts either a number of steps or a time")
        if self.steps is not None and self.load is not None and (self.load.start_step or 1) > self.steps:
            raise ValueError(f"the load cannot start at step {self.load.start_step} of {self.steps}")
        return self


class _Trial(_Part):
    block: _Count
    mode: _ModeName
    together: tuple[_ModeName, ...]
    phases: _Phases

    @model_validator(mode="after")
    def _modes_that_can_take_turns(self) -> Self:
        if (self.mode == INTERLEAVED) != bool(self.together):
            raise ValueError(f"a trial in which modes take turns has the mode {INTERLEAVED} and names them")
        if len(set(self.together)) < len(self.together):
            raise ValueError("a mode takes turns with itself")
        for name in self.together or (self.mode,):
            mode = mode_named(name)
            if self.together and not can_take_turns(mode):
                raise ValueError(f"mode {name} may learn from request to request and cannot take turns")
        return self


class _Sampling(_Part):
    max_tokens: _Count
    temperature: float = Field(ge=0, le=2)
    ignore_eos: bool


class _Pauses(_Part):
    after_warmup_s: _Rest
    after_step_s: _Rest
    between_trials_s: _Rest


class _CpuLoad(_Part):
    workers: int
    percent: float

    @model_validator(mode="after")
    def _that_can_be(self) -> Self:
        self.load()
        return self

    def load(self) -> Load:
        return Load(CpuLoad(self.workers, self.percent))


class _Prompt(_Part):
    prompt_id: _Text
    text: _Text
    domain: str | None


class _Content(_Part, ABC):
    """What plans of every version hold."""

    halospec_plan: int
    design: Design
    seed: int = Field(ge=0, lt=2**31)
    warmup: int = Field(ge=0)
    preload: int = Field(ge=0)
    stop: tuple[str, ...]
    sampling: _Sampling
    pauses: _Pauses
    trials: tuple[_Trial, ...] = Field(min_length=1)
    prompts: tuple[_Prompt, ...] = Field(min_length=1)

    @field_validator("trials")
    @classmethod
    def _blocks_without_gaps(cls, trials: tuple[_Trial, ...]) -> tuple[_Trial, ...]:
        blocks = [trial.block for trial in trials]
        if sorted(blocks) != blocks:
            raise ValueError("its blocks do not stand in order")
        missing = set(range(1, blocks[-1] + 1)) - set(blocks)
        if missing:
            raise ValueError(f"block {min(missing)} of {blocks[-1]} is missing")
        return trials

    @field_validator("prompts")
    @classmethod
    def _ids_that_differ(cls, prompts: tuple[_Prompt, ...]) -> tuple[_Prompt, ...]:
        if len({prompt.prompt_id for prompt in prompts}) < len(prompts):
            raise ValueError("two prompts have the same id")
        return prompts

    @model_validator(mode="after")
    def _every_block_alike(self) -> Self:
        """Refuse blocks that cannot be compared: a mode that is missing, comes twice or has phases of its own."""
        first = self._phases_by_trial(1)
        for block in range(1, self.trials[-1].block + 1):
            if self._phases_by_trial(block) != first:
                raise ValueError(f"block {block} does not hold the same trials as block 1")
        if self.design is not Design.CLASSIC and len(set(first.values())) > 1:
            raise ValueError("its modes have different phases, so they cannot be compared")
        if any(bool(trial.together) != (self.design is Design.INTERLEAVED) for trial in self.trials):
            raise ValueError(f"its trials are not those of the design {self.design}")
        if not self.wanted() and any(trial.phases.load is not None for trial in self.trials):
            raise ValueError("it has load phases, but does not say what load")
        return self

    def _phases_by_trial(self, block: int) -> dict[tuple[str, tuple[str, ...]], _Phases]:
        trials = [trial for trial in self.trials if trial.block == block]
        phases = {(trial.mode, trial.together): trial.phases for trial in trials}
        if len(phases) < len(trials):
            raise ValueError(f"a mode comes twice in block {block}")
        return phases

    @abstractmethod
    def wanted(self) -> tuple[Load, ...]:
        """Return the loads of the load phases."""

    def plan(self) -> Plan:
        return Plan(
            trials=tuple(_trial(one) for one in self.trials),
            prompts=tuple(Prompt(one.prompt_id, one.text, one.domain) for one in self.prompts),
            warmup=self.warmup,
            stop=self.stop,
            pauses=Pauses(**self.pauses.model_dump()),
            design=self.design,
            seed=self.seed,
            sampling=Sampling(**self.sampling.model_dump()),
            preload=self.preload,
            loads=self.wanted(),
        )


class _File(_Content):
    loads: LoadWords

    @classmethod
    def of(cls, plan: Plan) -> Self:
        fields: dict[str, Any] = asdict(replace(plan, loads=()))
        return cls.model_validate({"halospec_plan": PLAN_VERSION, **fields, "loads": tuple(map(spelled, plan.loads))})

    def wanted(self) -> tuple[Load, ...]:
        return tuple(map(load_spelled, self.loads))


class _FileOfVersion1(_Content):
    load: _CpuLoad | None

    def wanted(self) -> tuple[Load, ...]:
        return () if self.load is None else (self.load.load(),)


_READ_AS: Mapping[int, type[_Content]] = {1: _FileOfVersion1, PLAN_VERSION: _File}


def _trial(one: _Trial) -> Trial:
    window = one.phases.load
    load = None if window is None else LoadWindow(**window.model_dump())
    return Trial(one.block, one.mode, PhasePlan(one.phases.steps, one.phases.seconds, load), one.together)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"{where}: {message}" if where else message
