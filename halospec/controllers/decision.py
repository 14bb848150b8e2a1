"""What a controller chose and why: one line of ``decisions.jsonl``, and of a server's reply."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """What a rule chooses for a round.

    Attributes
    ----------
    threads, draft_threads
        Of the target's and of the draft's passes; ``None`` leaves the server's own.
    """

    draft_length: int
    threads: int | None = None
    draft_threads: int | None = None


@dataclass(frozen=True)
class Candidate:
    """A setting that was weighed, and what it was predicted to bring.

    Attributes
    ----------
    tokens_per_round
        Expected tokens of a round.
    round_ms
        Expected duration of a round.
    """

    setting: Setting
    tokens_per_round: float
    round_ms: float

    @property
    def ms_per_token(self) -> float:
        """Expected time per token, as a ratio of expectations: what long texts come to."""
        return self.round_ms / self.tokens_per_round


@dataclass(frozen=True)
class Decision:
    """Why a rule chose what it did.

    Attributes
    ----------
    reason
        In a few words: ``kept: within 0.5% of the best``, ``moved: the best, by 4.1%``, ``tried: …``.
    candidates
        Everything that was weighed.
    acceptance
        Estimated probability that each drafted position is accepted, given that those before it were.
    alarms
        What was found to have changed since the last decision, in a few words each.
    """

    chosen: Setting
    reason: str
    candidates: tuple[Candidate, ...] = ()
    acceptance: tuple[float, ...] = ()
    alarms: tuple[str, ...] = ()
