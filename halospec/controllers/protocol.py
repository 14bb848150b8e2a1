"""What a controller is: a rule that chooses the draft length of the next request from what the last ones cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_DRAFT_LENGTH = 16
"""The largest k that any mode may ask for; the bundled server's limit."""


@dataclass(frozen=True)
class Outcome:
    """What a controller learns of a finished request.

    Attributes
    ----------
    draft_length
        The k that was asked for.
    latency_ms
        End to end, retries included; of a failed request the time that it really took.
    completion_tokens, drafted, accepted, rounds
        ``None`` where the server did not say, or the request failed.
    """

    draft_length: int
    success: bool
    latency_ms: float
    completion_tokens: int | None = None
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None


class Controller(Protocol):
    """A rule behind a mode. It does no I/O and reads no clock."""

    def choose(self) -> int:
        """Return the draft length of the next measured request."""
        ...

    def update(self, outcome: Outcome) -> None:
        """Take in a measured request that has ended, successful or not."""
        ...
