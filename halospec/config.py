"""What a person may ask of a run, checked before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from halospec.contention.cpu import CpuLoadSettings
from halospec.experiment.phases import DEFAULT_PHASES, PhasePlan, parse_phases
from halospec.experiment.plan import CLASSIC_MODES, Plan, blocked_plan, classic_plan
from halospec.workloads.prompts import Prompt, load_prompts, shipped_prompts

DEFAULT_MODES = (*(f"fixed_{k}" for k in range(9)), "adaptive")

Preset = Literal["classic"]


class LoadSettings(BaseModel):
    """The load that is put on the machine during a trial's load phase.

    Attributes
    ----------
    enabled
        None leaves it to the preset: on for ``classic``, otherwise off.
    start_step, seconds
        Override when the phase plan would start the load, and for how long.
    workers
        Burner processes; None means one for every core this process may use, and the original's one for ``classic``.
    """

    model_config = ConfigDict(frozen=True)

    enabled: bool | None = None
    start_step: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    workers: int | None = Field(default=None, ge=1)
    percent: float = Field(default=100.0, gt=0, le=100)


class RunSettings(BaseModel):
    """A run as it was asked for.

    Attributes
    ----------
    modes
        None means `DEFAULT_MODES`, or all of the preset's; with a preset, only these of its trials run.
    phases, blocks, prompts
        None means the default. A preset brings its own, so they cannot be given with one.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    out: Path
    model: str | None = None
    api_key: SecretStr | None = Field(default=None, exclude=True)
    preset: Preset | None = None
    modes: tuple[str, ...] | None = None
    phases: str | None = None
    blocks: int | None = Field(default=None, ge=1)
    warmup: int = Field(default=5, ge=0)
    seed: int = Field(default=1, ge=0, lt=2**31)
    prompts: Path | None = None
    max_tokens: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    ignore_eos: bool = False
    timeout_s: float = Field(default=60.0, gt=0)
    max_failures: int = Field(default=20, ge=1)
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

    @model_validator(mode="after")
    def _a_preset_brings_its_own(self) -> Self:
        if self.preset is None:
            return self
        given = {
            "--phases": self.phases,
            "--blocks": self.blocks,
            "--prompts": self.prompts,
            "--load-start": self.load.start_step,
            "--load-seconds": self.load.seconds,
        }
        for option, value in given.items():
            if value is not None:
                raise ValueError(f"--preset {self.preset} decides what {option} would; leave out one of them")
        return self

    @model_validator(mode="after")
    def _load_options_need_load(self) -> Self:
        if not self.load_wanted and self.load.model_copy(update={"enabled": None}) != LoadSettings():
            raise ValueError("--load-start, --load-seconds, --load-workers and --load-percent need --load")
        return self

    @property
    def load_wanted(self) -> bool:
        """Whether the injector is to run."""
        return self.preset == "classic" if self.load.enabled is None else self.load.enabled

    def cpu_load(self) -> CpuLoadSettings:
        """Return the injector's settings.

        Raises
        ------
        ValueError
            If they ask for more than the machine has.
        """
        if self.load.workers is not None:
            return CpuLoadSettings(workers=self.load.workers, percent=self.load.percent)
        if self.preset == "classic":
            return CpuLoadSettings(workers=1, percent=self.load.percent)
        return CpuLoadSettings(percent=self.load.percent)

    def plan(self) -> Plan:
        """Return what is to run.

        Raises
        ------
        PhasePlanError, UnknownMode, PromptFileError
            If the phases, a mode or the prompt file cannot be used.
        """
        if self.preset == "classic":
            return classic_plan(load=self.load_wanted, warmup=self.warmup, modes=self.modes or CLASSIC_MODES)
        return blocked_plan(
            self.modes or DEFAULT_MODES,
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


def debug_json_wanted() -> bool:
    """Whether ``HALOSPEC_DEBUG_JSON`` asks for every full response in the log."""
    return os.environ.get("HALOSPEC_DEBUG_JSON", "").strip().lower() in {"1", "true", "yes", "on"}
