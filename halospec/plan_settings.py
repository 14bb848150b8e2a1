"""What a person may ask of a plan, checked before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from halospec.contention.loads import CpuLoad, Load
from halospec.contention.several import LoadWords, beside
from halospec.experiment.phases import DEFAULT_PHASES, PhasePlan, parse_phases
from halospec.experiment.plan import (
    CLASSIC_MODES,
    Design,
    Plan,
    Sampling,
    blocked_plan,
    classic_plan,
    interleaved_plan,
)
from halospec.workloads.prompts import Prompt, load_prompts, shipped_prompts

FIXED_MODES = tuple(f"fixed_{k}" for k in range(9))
DEFAULT_MODES = (*FIXED_MODES, "adaptive")
"""Of a blocked plan; in an interleaved one, `FIXED_MODES`: only these can take turns."""

Preset = Literal["classic"]


class LoadSettings(BaseModel):
    """The load that is put on the machine during a trial's load phase.

    Attributes
    ----------
    enabled
        The default CPU load; None leaves it to the preset: on for ``classic``, otherwise off.
    start_step, seconds
        Override when the phase plan would start the load, and for how long.
    workers, percent
        Of the default CPU load. No workers means one for every core this process may use, and the original's one for
        ``classic``.
    inject
        Loads of any kind, beside the default one or instead of it.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    enabled: bool | None = None
    start_step: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    workers: int | None = Field(default=None, ge=1)
    percent: float = Field(default=100.0, gt=0, le=100)
    inject: LoadWords = ()


class PlanSettings(BaseModel):
    """A plan as it was asked for.

    Attributes
    ----------
    modes
        None means `DEFAULT_MODES`, interleaved `FIXED_MODES`, or all of the preset's, of which only the named ones run.
    design, phases, blocks, prompts
        None means the default. A preset brings its own, so they cannot be given with one.
    cool_down_s
        Rest between trials.
    preload
        Requests before the first trial, so that it does not meet a machine at rest.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    preset: Preset | None = None
    modes: tuple[str, ...] | None = None
    design: Design | None = None
    phases: str | None = None
    blocks: int | None = Field(default=None, ge=1)
    warmup: int = Field(default=5, ge=0)
    seed: int = Field(default=1, ge=0, lt=2**31)
    prompts: Path | None = None
    max_tokens: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    ignore_eos: bool = False
    cool_down_s: float = Field(default=0.0, ge=0)
    preload: int = Field(default=0, ge=0)
    load: LoadSettings = LoadSettings()

    @field_validator("modes")
    @classmethod
    def _each_mode_once(cls, modes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if modes is None:
            return None
        if not modes:
            raise ValueError("name at least one mode")
        repeated = sorted({mode for mode in modes if modes.count(mode) > 1})
        if repeated:
            raise ValueError(f"{', '.join(repeated)} is named twice; use --blocks to repeat modes")
        return modes

    @field_validator("design")
    @classmethod
    def _the_classic_one_is_a_preset(cls, design: Design | None) -> Design | None:
        if design is Design.CLASSIC:
            raise ValueError("the original's design comes with --preset classic")
        return design

    @model_validator(mode="after")
    def _a_preset_brings_its_own(self) -> Self:
        if self.preset is None:
            return self
        given = {
            "--design": self.design,
            "--phases": self.phases,
            "--blocks": self.blocks,
            "--prompts": self.prompts,
            "--cool-down": self.cool_down_s or None,
            "--preload": self.preload or None,
            "--load-start": self.load.start_step,
            "--load-seconds": self.load.seconds,
            "--inject": self.load.inject or None,
        }
        for option, value in given.items():
            if value is not None:
                raise ValueError(f"--preset {self.preset} decides what {option} would; leave out one of them")
        return self

    @model_validator(mode="after")
    def _load_options_need_load(self) -> Self:
        load = self.load
        if not self.load_wanted and (load.start_step is not None or load.seconds is not None):
            raise ValueError("--load-start and --load-seconds need --load or --inject")
        if not self._default_load_wanted and (load.workers is not None or load.percent != 100.0):
            raise ValueError(
                "--load-workers and --load-percent need --load; an --inject says such things itself, as in"
                " cpu:50%@workers=1"
            )
        return self

    @property
    def load_wanted(self) -> bool:
        """Whether the trials are to have load."""
        return self._default_load_wanted or bool(self.load.inject)

    @property
    def _default_load_wanted(self) -> bool:
        return self.preset == "classic" if self.load.enabled is None else self.load.enabled

    def loads(self) -> tuple[Load, ...]:
        """Return what is to be put on the machine; nothing if no load is wanted.

        Raises
        ------
        ValueError
            If the default CPU load is injected as well.
        """
        return beside(Load(self.cpu_load()) if self._default_load_wanted else None, self.load.inject)

    def cpu_load(self) -> CpuLoad:
        """Return the default CPU load."""
        if self.load.workers is not None:
            return CpuLoad(workers=self.load.workers, percent=self.load.percent)
        if self.preset == "classic":
            return CpuLoad(workers=1, percent=self.load.percent)
        return CpuLoad(percent=self.load.percent)

    def plan(self) -> Plan:
        """Return what is to run.

        Raises
        ------
        PhasePlanError, UnknownMode, PromptFileError, ValueError
            If the phases, a mode, the prompt file or the load cannot be used.
        """
        plan = self._arranged()
        return replace(
            plan,
            seed=self.seed,
            sampling=Sampling(self.max_tokens, self.temperature, self.ignore_eos),
            pauses=replace(plan.pauses, between_trials_s=self.cool_down_s),
            preload=self.preload,
            loads=self.loads(),
        )

    def _arranged(self) -> Plan:
        """Return the trials, their order and their prompts."""
        if self.preset == "classic":
            return classic_plan(load=self.load_wanted, warmup=self.warmup, modes=self.modes or CLASSIC_MODES)
        interleaved = self.design is Design.INTERLEAVED
        arrange = interleaved_plan if interleaved else blocked_plan
        return arrange(
            self.modes or (FIXED_MODES if interleaved else DEFAULT_MODES),
            self._phases(),
            self._prompts(),
            blocks=self.blocks or 1,
            warmup=self.warmup,
            seed=self.seed,
        )

    def _phases(self) -> PhasePlan:
        phases = parse_phases(self.phases or DEFAULT_PHASES)
        if not self.load_wanted:
            return phases.without_load()
        return phases.with_load(self.load.start_step, self.load.seconds)

    def _prompts(self) -> tuple[Prompt, ...]:
        return shipped_prompts() if self.prompts is None else load_prompts(self.prompts)
