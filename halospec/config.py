"""What a person may ask of a run, checked before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from halospec.contention.cpu import CpuLoadSettings
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.detection import require_server_kind
from halospec.experiment.phases import DEFAULT_PHASES, PhasePlan, parse_phases
from halospec.experiment.plan import CLASSIC_MODES, Plan, blocked_plan, classic_plan
from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.naming import require_spelling
from halospec.knobs.server_command import ServerCommand
from halospec.workloads.prompts import Prompt, load_prompts, shipped_prompts

DEFAULT_MODES = (*(f"fixed_{k}" for k in range(9)), "adaptive")

AUTO = "auto"

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


class TargetSettings(BaseModel):
    """A server, and the way by which a draft length is to reach it.

    Attributes
    ----------
    url
        None: where a server of this kind listens by default, or where ``server_command`` says that it will.
    server
        Its kind, or ``auto`` to ask it.
    knob
        A knob's spelling (halospec.knobs.naming), or ``auto`` for the first one that is obeyed.
    server_command
        A command line that starts the server, with ``{draft_args}`` where the draft length belongs.
    draft_args, no_draft_args
        What ``{draft_args}`` stands for at k of 1 and more, with ``{k}`` in it, and at k = 0.
    """

    model_config = ConfigDict(frozen=True)

    url: str | None = None
    server: str = AUTO
    model: str | None = None
    knob: str = AUTO
    server_command: str | None = None
    draft_args: str | None = None
    no_draft_args: str | None = None
    api_key: SecretStr | None = Field(default=None, exclude=True)
    ca_bundle: Path | None = None
    insecure: bool = False
    client_cert: Path | None = None
    client_key: Path | None = None
    timeout_s: float = Field(default=60.0, gt=0)

    @field_validator("server")
    @classmethod
    def _a_known_kind(cls, name: str) -> str:
        require_server_kind(name)
        return name

    @field_validator("knob")
    @classmethod
    def _a_knob_that_there_is(cls, spelling: str) -> str:
        if spelling != AUTO:
            require_spelling(spelling)
        return spelling

    @model_validator(mode="after")
    def _a_command_and_what_needs_it(self) -> Self:
        if self.knob == "restart" and self.server_command is None:
            raise ValueError("--knob restart needs --server-command, the command line that starts the server")
        given = self.draft_args is not None or self.no_draft_args is not None
        if given and self.server_command is None and self.knob != "reload":
            raise ValueError("--draft-args and --no-draft-args need --server-command, or --knob reload")
        drafting = self.drafting
        if self.server_command is not None:
            ServerCommand.parse(self.server_command, url=self.url, draft_args=drafting)
        return self

    @property
    def drafting(self) -> DraftArgs | None:
        """What ``{draft_args}`` stands for; None: the default of whoever uses it."""
        if self.draft_args is None and self.no_draft_args is None:
            return None
        return DraftArgs.given(self.draft_args, self.no_draft_args)

    @property
    def connection(self) -> ConnectionSettings:
        """How to reach the server."""
        return ConnectionSettings(
            api_key=self.api_key.get_secret_value() if self.api_key else None,
            ca_bundle=self.ca_bundle,
            verify=not self.insecure,
            client_cert=self.client_cert,
            client_key=self.client_key,
        )


class RunSettings(TargetSettings):
    """A run as it was asked for.

    Attributes
    ----------
    allow_placebo
        Go on although the probe found that the server ignores k.
    modes
        None means `DEFAULT_MODES`, or all of the preset's; with a preset, only these of its trials run.
    phases, blocks, prompts
        None means the default. A preset brings its own, so they cannot be given with one.
    """

    out: Path
    allow_placebo: bool = False
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
