"""What a person may ask of a run, checked before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from halospec.analysis.modes import NO_SPECULATION, in_order
from halospec.analysis.precision import PILOT_BLOCKS
from halospec.analysis.slo import parse_slo
from halospec.contention.possible import require_possible
from halospec.contention.protocol import ContentionError
from halospec.endpoints.connection import ConnectionSettings
from halospec.endpoints.detection import require_server_kind
from halospec.experiment.plan import Design, Plan
from halospec.experiment.plan_file import read_plan
from halospec.experiment.precision import FEWEST_PILOT_BLOCKS
from halospec.knobs.draft_args import DraftArgs
from halospec.knobs.naming import require_spelling
from halospec.knobs.server_command import ServerCommand
from halospec.plan_settings import PlanSettings
from halospec.records.schema import MEASURED_PHASES, Phase
from halospec.telemetry.sources import DEFAULT_HZ, MOST_HZ, Source

AUTO = "auto"


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

    def with_settled_knob(self) -> Self:
        """Return the settings of someone who wants to measure rather than to learn which knobs there are.

        Whoever gives a command for the server wants it started anew: the other knobs need not be tried first.
        """
        if self.server_command is not None and self.knob == AUTO:
            return self.model_copy(update={"knob": "restart"})
        return self

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


class RunSettings(TargetSettings, PlanSettings):
    """A run as it was asked for.

    Attributes
    ----------
    plan_file
        A plan to carry out, instead of one made from the settings.
    allow_placebo
        Go on although the probe found that the server ignores k.
    nonce
        Whether to put words before each prompt that no other request has; None: where the server cannot be told to keep
        its prompt cache out of it.
    reference
        The mode that others are compared with; None: plain decoding where it runs.
    slo
        Service levels to score by, as `halospec.analysis.slo` reads them.
    precision
        Go on, block by block, until the comparisons' intervals reach no further than this share to either side.
    precision_phases
        The phases whose comparisons have to; all that the plan has if empty.
    max_minutes
        No trial begins after so many; a run that goes on has as many again.
    telemetry
        What is read off the machine meanwhile; nothing if empty.
    telemetry_hz
        Readings a second.
    server_pid
        The server's process, where telemetry cannot find it. Not kept: by the time that a run goes on, the number may
        be another's.
    """

    out: Path
    plan_file: Path | None = None
    allow_placebo: bool = False
    max_failures: int = Field(default=20, ge=1)
    nonce: bool | None = None
    reference: str | None = None
    slo: tuple[str, ...] = ()
    precision: float | None = Field(default=None, gt=0, lt=1)
    precision_phases: tuple[Phase, ...] = ()
    max_minutes: float | None = Field(default=None, gt=0)
    telemetry: tuple[Source, ...] = tuple(Source)
    telemetry_hz: float = Field(default=DEFAULT_HZ, gt=0, le=MOST_HZ)
    server_pid: int | None = Field(default=None, gt=0, exclude=True)

    @model_validator(mode="after")
    def _a_server_process_that_is_there_and_wanted(self) -> Self:
        if self.server_pid is not None and Source.SERVER not in self.telemetry:
            raise ValueError("--server-pid is for telemetry of the server, which --telemetry leaves out")
        if self.server_pid is not None and not psutil.pid_exists(self.server_pid):
            raise ValueError(f"--server-pid: there is no process {self.server_pid} on this machine")
        return self

    @model_validator(mode="after")
    def _a_plan_file_holds_the_whole_plan(self) -> Self:
        if self.plan_file is None:
            return self
        defaults = PlanSettings()
        for name in PlanSettings.model_fields:
            if getattr(self, name) != getattr(defaults, name):
                option = "inject" if name == "load" and self.load.inject else name.replace("_", "-")
                raise ValueError(f"--plan holds what --{option} would say; leave out one of them")
        return self

    @model_validator(mode="after")
    def _a_stopping_rule_needs_blocks(self) -> Self:
        if self.precision is not None and self.preset is not None:
            raise ValueError(f"--preset {self.preset} has one block, and --precision goes on block by block")
        if self.precision is not None and self.blocks is not None and self.blocks < FEWEST_PILOT_BLOCKS:
            raise ValueError(f"--precision needs at least {FEWEST_PILOT_BLOCKS} --blocks to judge by")
        if self.precision is not None and self.max_minutes is None:
            raise ValueError("--precision needs --max-minutes: some intervals never get that narrow")
        if self.precision_phases and self.precision is None:
            raise ValueError("--precision-phases needs --precision")
        return self

    @field_validator("precision_phases", mode="before")
    @classmethod
    def _phases_that_are_measured(cls, phases: Any) -> Any:
        known = [phase.value for phase in MEASURED_PHASES]
        foreign = [phase for phase in phases or () if phase not in known]
        if foreign:
            raise ValueError(f"{str(foreign[0])!r} is none of the phases {', '.join(known)}")
        return phases

    @field_validator("slo")
    @classmethod
    def _readable_service_levels(cls, slo: tuple[str, ...]) -> tuple[str, ...]:
        if slo:
            parse_slo(slo)
        return slo

    def plan(self) -> Plan:
        """Return what is to run.

        Raises
        ------
        PhasePlanError, UnknownMode, PromptFileError, StoreError
            If the phases, a mode, the prompt file or the plan file cannot be used.
        ValueError
            If the plan cannot be carried out on this machine, or not judged as it is to be.
        """
        plan = super().plan() if self.plan_file is None else read_plan(self.plan_file)
        if self.precision is not None and self.blocks is None:
            plan = plan.with_blocks(max(plan.blocks, PILOT_BLOCKS))
        self.require_judgeable(plan)
        require_loads_here(plan)
        return plan

    def require_judgeable(self, plan: Plan) -> None:
        """Make sure, before anything is measured, that a plan can be judged as it is to be.

        Raises
        ------
        ValueError
            If the plan does not have the reference, or the warm-up that ``--slo auto`` takes its values from, or makes
            no comparison whose precision could decide when the run ends.
        """
        modes = ", ".join(in_order(plan.modes))
        if self.reference is not None and self.reference not in plan.modes:
            raise ValueError(f"--reference {self.reference} is none of the modes that run ({modes}).")
        if self.slo and parse_slo(self.slo).auto and (NO_SPECULATION not in plan.modes or not plan.warmup):
            lacks = "no warm-up" if NO_SPECULATION in plan.modes else f"no {NO_SPECULATION} (but {modes})"
            raise ValueError(
                f"--slo auto takes its values from the warm-up of {NO_SPECULATION}, and this plan has {lacks}; state"
                " them, as in --slo e2e_ms=6000."
            )
        if self.precision is not None:
            self._require_comparisons(plan)

    def _require_comparisons(self, plan: Plan) -> None:
        if plan.design is Design.CLASSIC:
            raise ValueError("--precision: the original's design supports no comparison, however often it runs.")
        if len(plan.modes) < 2:
            raise ValueError(f"--precision is that of comparisons, and only {plan.modes[0]} runs; name another mode.")
        under_load = sorted(phase.value for phase in self.precision_phases if phase is not Phase.STEADY)
        if under_load and not plan.loads:
            raise ValueError(f"--precision-phases {under_load[0]}: the plan has no load; add --load or --inject.")


def require_loads_here(plan: Plan) -> None:
    """Make sure, before anything is sent, that this machine can have a plan's loads.

    Raises
    ------
    ValueError
        If it cannot.
    """
    try:
        require_possible(plan.loads)
    except ContentionError as problem:
        raise ValueError(str(problem)) from problem


def debug_json_wanted() -> bool:
    """Whether ``HALOSPEC_DEBUG_JSON`` asks for every full response in the log."""
    return os.environ.get("HALOSPEC_DEBUG_JSON", "").strip().lower() in {"1", "true", "yes", "on"}
