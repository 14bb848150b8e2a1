"""What is recorded, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halospec.contention.possible import require_possible
from halospec.contention.protocol import ContentionError
from halospec.cores import available_cores
from halospec.recordings.visits import (
    QUIET_MACHINE,
    Condition,
    ThreadSetting,
    Visit,
    default_conditions,
    default_settings,
    parse_condition,
    parse_setting,
    plan_visits,
)
from halospec.workloads.prompts import Prompt, load_prompts, shipped_prompts

MOST_TEXTS = 10_000


class RecordingSettings(BaseModel):
    """What ``halospec record-traces`` is asked for.

    Attributes
    ----------
    pair, target, draft
        Which models, as ``halospec serve`` has them.
    check_width
        Positions in the passes that are compared with narrow ones; 0 leaves that out.
    costs
        Whether rounds are timed, too.
    max_length
        Draft lengths from 0 to it are timed.
    timed_tokens
        Of each text whose rounds are timed.
    load, threads
        Words for conditions and settings of the threads; empty: the default ones.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    pair: str | None = None
    target: str | None = None
    draft: str | None = None
    prompts: Path | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 128
    check_width: Annotated[int, Field(ge=0, le=17)] = 9
    costs: bool = True
    max_length: Annotated[int, Field(ge=1, le=16)] = 8
    timed_tokens: Annotated[int, Field(ge=8, le=100_000)] = 64
    load: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    repetitions: Annotated[int, Field(ge=1, le=MOST_TEXTS)] = 30
    seed: Annotated[int, Field(ge=0)] = 1
    force: bool = False

    @model_validator(mode="after")
    def _words_make_sense(self) -> Self:
        for condition in self.conditions():
            try:
                require_possible(condition.loads)
            except ContentionError as problem:
                raise ValueError(str(problem)) from problem
        for word in self.threads:
            parse_setting(word)
        return self

    @property
    def model_options(self) -> tuple[str, ...]:
        """The models as options of the server, and of its tracer."""
        named = (("--pair", self.pair), ("--target", self.target), ("--draft", self.draft))
        return tuple(part for option, value in named if value is not None for part in (option, value))

    @property
    def pair_name(self) -> str:
        """What the recording calls the pair."""
        return self.pair or (Path(self.draft).stem if self.draft else "twin")

    def prompt_set(self) -> tuple[Prompt, ...]:
        """Return the prompts.

        Raises
        ------
        PromptFileError
            If they cannot be read.
        """
        return load_prompts(self.prompts) if self.prompts else shipped_prompts()

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions, the quiet machine first."""
        if not self.load:
            return default_conditions(available_cores())
        return tuple(dict.fromkeys((QUIET_MACHINE, *(parse_condition(word) for word in self.load))))

    def visits(self, own: ThreadSetting, prompts: int) -> tuple[Visit, ...]:
        """Return what is timed, in order; ``own`` is the server's own setting, which always is among them."""
        asked = tuple(dict.fromkeys((own, *(parse_setting(word) for word in self.threads))))
        return plan_visits(
            self.conditions(),
            asked if self.threads else default_settings(own),
            repetitions=self.repetitions,
            prompts=prompts,
            seed=self.seed,
        )
