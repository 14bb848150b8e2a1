"""What a person may ask of a search, checked before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from halospec.analysis.slo import SloRequest, parse_slo
from halospec.config import TargetSettings
from halospec.contention.loads import CpuLoad, Load
from halospec.contention.possible import require_possible
from halospec.contention.protocol import ContentionError
from halospec.contention.several import LoadWords, beside
from halospec.controllers.protocol import MAX_DRAFT_LENGTH
from halospec.tuning.evidence import PLAIN, Basis
from halospec.tuning.halving import round_sizes
from halospec.workloads.prompts import Prompt, load_prompts, shipped_prompts

DEFAULT_LENGTHS = tuple(range(9))
DEFAULT_ATTAINMENT = 0.95


class TuneSettings(TargetSettings):
    """A search as it was asked for.

    Attributes
    ----------
    lengths
        Draft lengths to choose from; 0 is always one of them. None: `DEFAULT_LENGTHS`, as far as the knob has them.
    budget
        Most requests, warm-up included, the probe's not; None: what the rounds need (halospec.tuning.halving).
    warmup
        Requests of each k before the first that counts; anew after each reload or restart.
    slo
        Objectives, as in ``ttft_ms=400``; empty for none.
    attainment
        The share of requests that should meet them.
    load
        Whether to put the default CPU load on this machine during the whole search.
    inject
        Loads of any kind, beside the default one or instead of it.
    """

    out: Path
    lengths: tuple[int, ...] | None = None
    basis: Basis = Basis.TPOT
    budget: int | None = Field(default=None, ge=1)
    warmup: int = Field(default=2, ge=0)
    slo: tuple[str, ...] = ()
    attainment: float = Field(default=DEFAULT_ATTAINMENT, gt=0, lt=1)
    seed: int = Field(default=1, ge=0, lt=2**31)
    prompts: Path | None = None
    max_tokens: int = Field(default=64, ge=2)
    temperature: float = Field(default=0.0, ge=0, le=2)
    ignore_eos: bool = False
    max_failures: int = Field(default=20, ge=1)
    load: bool = False
    load_workers: int | None = Field(default=None, ge=1)
    load_percent: float = Field(default=100.0, gt=0, le=100)
    inject: LoadWords = ()

    @field_validator("lengths")
    @classmethod
    def _in_order_with_zero(cls, lengths: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if lengths is None:
            return None
        if not all(0 <= length <= MAX_DRAFT_LENGTH for length in lengths):
            raise ValueError(f"draft lengths go from 0 to {MAX_DRAFT_LENGTH}")
        if not any(lengths):
            raise ValueError("there is nothing to tune: name at least one draft length above 0")
        return tuple(sorted({PLAIN, *lengths}))

    @model_validator(mode="after")
    def _a_search_that_can_end(self) -> Self:
        # How many draft lengths the knob has, and whether it loads the server anew for each, is known after the probe.
        challengers = 1 if self.lengths is None else len(self.lengths) - 1
        round_sizes(challengers, budget=self.budget, warmup=self.warmup)
        if self.slo and self.objectives is not None and self.objectives.auto and not self.warmup:
            raise ValueError("--slo auto takes its values from the warm-up, so --warmup must be at least 1")
        if not self.load and (self.load_workers is not None or self.load_percent != 100.0):
            raise ValueError(
                "--load-workers and --load-percent need --load; an --inject says such things itself, as in"
                " cpu:50%@workers=1"
            )
        return self

    @property
    def wanted_lengths(self) -> tuple[int, ...]:
        """The draft lengths to choose from, if the knob has them all."""
        return self.lengths or DEFAULT_LENGTHS

    @property
    def objectives(self) -> SloRequest | None:
        """The objectives as stated; None without any."""
        return parse_slo(self.slo) if self.slo else None

    def loads(self) -> tuple[Load, ...]:
        """Return what is to be put on the machine; nothing if no load is wanted.

        Raises
        ------
        ValueError
            If the default CPU load is injected as well, or the machine cannot have the loads.
        """
        loads = beside(Load(self._cpu_load()) if self.load else None, self.inject)
        try:
            require_possible(loads)
        except ContentionError as problem:
            raise ValueError(str(problem)) from problem
        return loads

    def _cpu_load(self) -> CpuLoad:
        if self.load_workers is None:
            return CpuLoad(percent=self.load_percent)
        return CpuLoad(workers=self.load_workers, percent=self.load_percent)

    def prompt_set(self) -> tuple[Prompt, ...]:
        """Return the prompts.

        Raises
        ------
        PromptFileError
            If the file cannot be used.
        """
        return shipped_prompts() if self.prompts is None else load_prompts(self.prompts)
