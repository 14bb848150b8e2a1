"""What a controller is: a rule that chooses the draft length of the next step from what the last ones cost.

A step is whatever lies between two choices: a request, where the rule sits in the client, or a round, where it sits
inside a server. Rules that make sense of both are written once and used on either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from halospec.controllers.decision import Decision

MAX_DRAFT_LENGTH = 16
"""The largest k that any mode may ask for; the bundled server's limit."""


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """One round: tokens drafted, one pass of the target over them, tokens kept.

    Attributes
    ----------
    limit
        The draft length in force; ``k`` is smaller where the draft ended before it.
    k, accepted
        Tokens drafted, and those of them that were kept; a round yields ``accepted + 1`` tokens.
    draft_ms, verify_ms
        The draft's passes; the target's pass, and choosing tokens from it.
    threads, draft_threads
        Threads of the target's and of the draft's passes; 0 where it is not known, or no model drafted.
    sequences, width
        Sequences in the target's pass, and positions in it of all of them together.
    """

    limit: int
    k: int
    accepted: int
    draft_ms: float
    verify_ms: float
    threads: int = 0
    draft_threads: int = 0
    sequences: int = 1
    width: int = 0

    @property
    def duration_ms(self) -> float:
        """What the round took."""
        return self.draft_ms + self.verify_ms


@dataclass(frozen=True)
class Outcome:
    """What a controller learns of a finished step.

    Attributes
    ----------
    draft_length
        The k that was asked for.
    latency_ms
        End to end, retries included; of a failed request the time that it really took.
    completion_tokens, drafted, accepted, rounds
        ``None`` where the server did not say, or the request failed.
    decode_ms
        From the first token to the last: what ``completion_tokens - 1`` tokens took. ``None`` where the reply was not
        streamed, 0 where all of it came in one piece.
    round_log
        Every round, where the server logs them.
    """

    draft_length: int
    success: bool
    latency_ms: float
    completion_tokens: int | None = None
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None
    decode_ms: float | None = None
    round_log: tuple[RoundOutcome, ...] = ()


class Controller(Protocol):
    """A rule behind a mode. It does no I/O and reads no clock."""

    def choose(self) -> int:
        """Return the draft length of the next step."""
        ...

    def update(self, outcome: Outcome) -> None:
        """Take in a step that has ended, successful or not."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A controller that can say why it chose what it did."""

    def explain(self) -> Decision:
        """Return the reasons of the last choice."""
        ...
