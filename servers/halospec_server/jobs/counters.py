"""What the decode thread has done since it started; it alone writes, others may read at any time."""

from __future__ import annotations

from dataclasses import dataclass, field

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Prefill, Round


def _none_yet() -> list[int]:
    return [0] * (MAX_DRAFT_LENGTH + 1)


@dataclass
class Counters:
    """Totals.

    Attributes
    ----------
    passes
        Of the target.
    prompt_tokens, cached_tokens
        Tokens of prompts that were decoded, and those that were in the cache already.
    prompt_ns, generating_ns
        From getting a slot to the first token, and from there on, summed over texts: what several texts share counts
        for each.
    rounds_by_drafted, rounds_by_accepted
        At place ``n``: rounds in which ``n`` tokens were drafted, or accepted.
    """

    passes: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_ns: int = 0
    generated_tokens: int = 0
    generating_ns: int = 0
    rounds_by_drafted: list[int] = field(default_factory=_none_yet)
    rounds_by_accepted: list[int] = field(default_factory=_none_yet)

    def count(self, cost: Prefill | Round, prompt_tokens: int, new_tokens: int, spent_ns: int) -> None:
        """Count one step of one text."""
        self.generated_tokens += new_tokens
        if isinstance(cost, Prefill):
            self.prompt_tokens += prompt_tokens - cost.cached
            self.cached_tokens += cost.cached
            self.prompt_ns += spent_ns
        else:
            self.generating_ns += spent_ns
            self.rounds_by_drafted[cost.k] += 1
            self.rounds_by_accepted[cost.accepted] += 1

    @property
    def drafts(self) -> int:
        """Rounds in which anything was drafted."""
        return sum(self.rounds_by_drafted[1:])

    @property
    def drafted(self) -> int:
        """Tokens drafted."""
        return _total(self.rounds_by_drafted)

    @property
    def accepted(self) -> int:
        """Tokens drafted and kept."""
        return _total(self.rounds_by_accepted)

    def drafted_at(self, position: int) -> int:
        """Return how often a token was drafted at a position; the first is 0."""
        return sum(self.rounds_by_drafted[position + 1 :])

    def accepted_at(self, position: int) -> int:
        """Return how often a token that was drafted at a position was kept."""
        return sum(self.rounds_by_accepted[position + 1 :])


def _total(rounds: list[int]) -> int:
    return sum(n * count for n, count in enumerate(rounds))
