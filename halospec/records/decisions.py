"""Why a rule chose what it did: a line of ``decisions.jsonl``, and what a server tells of itself in a reply."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_CANDIDATES = 1024
"""More than any rule weighs: draft lengths times threads of two models."""

MOST_ALARMS = 64

MOST_CHARACTERS = 400
"""Of a reason, or of an alarm."""

LONGEST_MS = 1e12
"""Beyond any round, and so short that quotients and sums are numbers."""

_Length = Annotated[int, Field(ge=0, lt=2**15)]
_Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_MS)]
_Tokens = Annotated[float, Field(ge=1, le=1e9)]
_Words = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ChosenSetting(_Part):
    """What a step runs with.

    Attributes
    ----------
    threads, draft_threads
        Of the target's and of the draft's passes; ``None``: the server's own.
    """

    draft_length: _Length
    threads: _Length | None = None
    draft_threads: _Length | None = None


class WeighedSetting(ChosenSetting):
    """A setting that might have been chosen, and what it was predicted to bring.

    Attributes
    ----------
    tokens_per_round, round_ms
        Expected tokens of a round, at least the one of the target, and how long it was expected to take.
    """

    tokens_per_round: _Tokens
    round_ms: _Milliseconds

    @property
    def ms_per_token(self) -> float:
        """Expected time per token."""
        return self.round_ms / self.tokens_per_round


class Reasons(_Part):
    """One decision.

    Attributes
    ----------
    round
        The first round of the request that it holds for, from 0, up to the next decision; ``None`` where it was made in
        the client, for all of them.
    candidates
        Everything that was weighed.
    acceptance
        Estimated probability that each drafted position is accepted, given that those before it were.
    alarms
        What was found to have changed since the decision before, in a few words each.
    """

    round: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    chosen: ChosenSetting
    reason: _Words
    candidates: tuple[WeighedSetting, ...] = Field(default=(), max_length=MOST_CANDIDATES)
    acceptance: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(default=(), max_length=MOST_CANDIDATES)
    alarms: tuple[_Words, ...] = Field(default=(), max_length=MOST_ALARMS)


class DecisionRecord(Reasons):
    """A decision and the request that it was made for; the fields are those of the request's record."""

    trial_id: str | None = None
    trial_attempt: int = Field(default=1, ge=1)
    mode: str
    block: int = Field(ge=1)
    step: int = Field(ge=1)
    is_warmup: bool = False
