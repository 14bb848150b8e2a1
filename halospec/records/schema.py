"""What one request leaves behind: a line of ``records.jsonl``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from halospec.records.switches import SwitchReason

SCHEMA_VERSION = 2

PRELOAD = "preload"
"""Stands for the mode of the warm-up requests before a run's first trial, which are nobody's."""


class Phase(StrEnum):
    """When a request ran, by the *measured* activity of the load injector."""

    WARMUP = "warmup"
    STEADY = "steady"
    LOAD = "load"
    RECOVERY = "recovery"


MEASURED_PHASES = (Phase.STEADY, Phase.LOAD, Phase.RECOVERY)


class CountSource(StrEnum):
    """Where a number of tokens comes from.

    ``EVENTS``: the server counts nothing in its streams, and each content event was taken for one token.
    """

    USAGE = "usage"
    TIMINGS = "timings"
    SPECULATION = "speculation"
    METRICS = "metrics"
    EVENTS = "events"


_Small = Annotated[int, Field(ge=0, lt=2**31)]


class Round(BaseModel):
    """One draft-and-verify round, as the server logged it (docs/api.md).

    Attributes
    ----------
    k
        Tokens drafted in this round; 0 is a plain decoding step.
    accepted
        Drafted tokens kept; a round yields ``accepted + 1`` tokens.
    draft_us, verify_us, sample_us
        Time drafting, in the target's pass, and choosing tokens, in microseconds.
    limit
        The draft length in force; ``k`` is smaller where the draft ended before it. This and all that follow are
        missing where the server does not say.
    catch_up_us
        Part of ``draft_us``: time on text that the draft model had missed.
    threads, draft_threads
        Threads of the target's pass and of the draft model's; the latter 0 where none ran.
    sequences, width
        Sequences that shared the target's pass, and positions in it of all of them together.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    k: int = Field(ge=0)
    accepted: int = Field(ge=0)
    draft_us: float = Field(default=0.0, ge=0)
    verify_us: float = Field(default=0.0, ge=0)
    sample_us: float = Field(default=0.0, ge=0)
    limit: _Small | None = None
    catch_up_us: float | None = Field(default=None, ge=0)
    threads: _Small | None = None
    draft_threads: _Small | None = None
    sequences: _Small | None = None
    width: _Small | None = None

    @model_validator(mode="after")
    def _accepted_at_most_k(self) -> Round:
        if self.accepted > self.k:
            raise ValueError(f"a round accepted {self.accepted} of {self.k} drafted tokens")
        return self

    @model_serializer(mode="wrap")
    def _what_is_known(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A reply has dozens of rounds, and most servers say none of this: a journal of nulls would be twice as large.
        return {name: value for name, value in write(self).items() if value is not None}


class RequestRecord(BaseModel):
    """One request, successful or not.

    Times in nanoseconds are relative to the run's start (``manifest.json`` holds its wall-clock time).
    ``None`` means "the server did not say", never zero. What was added to the schema later is missing in older records
    and has its default there.

    Attributes
    ----------
    step
        1, 2, … within the trial; warm-up requests count on their own.
    global_step
        1, 2, … over the run's measured requests; 0 for warm-up.
    block
        1, 2, …: one block is one trial of every mode.
    draft_length
        The k that was asked for; ``None`` where a rule inside the server chose it.
    drafted, accepted, rounds
        Totals of the request.
    load_overlap
        Share of the request's interval, 0 to 1, in which the injector's burners were at work.
    load_percent
        CPU the burners got meanwhile, in percent of the cores they were meant to load; ``None`` without load.
    attempts
        Tries made; more than one means that earlier ones failed and their time is inside ``latency_ms``.
    latency_ms
        End to end, from the first try's start to the last byte or the failure, retries and pauses included.
    ttft_ms
        From the first try's start to the first content; ``None`` if the reply was not streamed.
    event_ms
        Arrival of each content event after ``started_ns``; under speculation one event may hold several tokens.
    prompt_ms, predicted_ms
        The server's own account of its time (``timings``).
    tokens_from, drafted_from
        Where ``completion_tokens`` and the two draft counts come from.
    knob
        How k reached the server, as the command line spells it: ``draft_length``, ``alias:smol-k{k}``, ``restart``.
    switch_ms, switch_reason
        How long the server was loaded or started anew for this request's k right before it, and why; in no latency.
        ``None`` where it was not.
    placebo
        Whether the run went on although the server ignores the draft length.
    trial_id
        Hash of all that defines the request's trial (halospec.experiment.identity); ``None`` in records from before
        there was one.
    trial_attempt
        1, or more where the trial was begun anew after the run had been cut short in the middle of it.
    void
        Whether the trial was begun anew later on: kept, and in no statistic.
    nonce
        Words put before the prompt so that no cache of prompts knows it; ``None`` where the server can be told not to
        use one.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    mode: str
    phase: Phase
    step: int = Field(ge=1)
    global_step: int = Field(ge=0)
    block: int = Field(ge=1)
    prompt_id: str
    draft_length: int | None = Field(default=None, ge=0)
    drafted: int | None = Field(default=None, ge=0)
    accepted: int | None = Field(default=None, ge=0)
    rounds: int | None = Field(default=None, ge=0)
    round_log: tuple[Round, ...] = ()
    cached_tokens: int | None = Field(default=None, ge=0)
    load_overlap: float = Field(default=0.0, ge=0.0, le=1.0)
    load_percent: float | None = Field(default=None, ge=0.0)
    success: bool
    error: str | None = None
    attempts: int = Field(default=1, ge=1)
    latency_ms: float = Field(gt=0.0)
    ttft_ms: float | None = Field(default=None, ge=0.0)
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    started_ns: int = Field(ge=0)
    first_token_ns: int | None = Field(default=None, ge=0)
    ended_ns: int = Field(ge=0)
    event_ms: tuple[float, ...] = ()
    prompt_ms: float | None = Field(default=None, ge=0.0)
    predicted_ms: float | None = Field(default=None, ge=0.0)
    finish_reason: str | None = None
    text_sha256: str | None = None
    tokens_from: CountSource | None = None
    drafted_from: CountSource | None = None
    knob: str | None = None
    switch_ms: float | None = Field(default=None, ge=0.0)
    switch_reason: SwitchReason | None = None
    placebo: bool = False
    trial_id: str | None = None
    trial_attempt: int = Field(default=1, ge=1)
    void: bool = False
    nonce: str | None = None

    @model_validator(mode="after")
    def _a_failure_has_a_reason(self) -> RequestRecord:
        if not self.success and not self.error:
            raise ValueError("a failed request must say why (error)")
        return self

    @property
    def is_warmup(self) -> bool:
        """Whether this request came before the trial's measured steps."""
        return self.phase is Phase.WARMUP
