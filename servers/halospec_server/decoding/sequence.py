"""One text in the making: the state of a request inside the engine."""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field

import numpy as np

from halospec.controllers.decision import Setting
from halospec_server.decoding.generation import Generation, Prefill
from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.drafters.protocol import Drafter, DraftRequest, Followed
from halospec_server.lengths.protocol import LengthPolicy
from halospec_server.verifiers.protocol import Verifier


@dataclass(eq=False)
class Sequence:
    """A request that occupies a slot.

    Attributes
    ----------
    tokens
        The verified text: the prompt and what was written. Its last token is never in the target's cache.
    final_length
        Tokens at which the text ends at the latest.
    drafter
        None decodes plainly.
    leader
        An earlier sequence whose prompt begins in the same way and is still being decoded: this one waits, then
        shares what the leader has.
    cached, prompt_target_ns, prompt_draft_ns
        Of the prompt: tokens that the target's cache held already, and the passes over the others so far.
    """

    slot: int
    generation: Generation
    tokens: list[int]
    final_length: int
    drafter: Drafter | None
    policy: LengthPolicy
    verifier: Verifier
    rules: LogitRules
    rng: np.random.Generator
    leader: Sequence | None = None
    started: bool = False
    in_prompt: bool = True
    released: bool = False
    cached: int = 0
    prompt_target_ns: int = 0
    prompt_draft_ns: int = 0
    prompt_length: int = field(init=False)

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)

    @property
    def drafter_name(self) -> str:
        """The drafter's name, or ``none``."""
        return self.drafter.name if self.drafter is not None else "none"

    @property
    def finished(self) -> bool:
        """Whether the text is as long as it may be."""
        return len(self.tokens) >= self.final_length

    @property
    def waits_for_leader(self) -> bool:
        """Whether there will soon be more of the prompt to share."""
        return self.leader is not None and self.leader.in_prompt and not self.leader.released

    def next_setting(self, sequences: int) -> Setting:
        """Return the draft length and the threads in force for the next round, which ``sequences`` texts share."""
        chosen, own = self.policy.choose(sequences), self.generation
        return Setting(chosen.draft_length, own.threads or chosen.threads, own.draft_threads or chosen.draft_threads)

    def reading_setting(self) -> Setting:
        """Return the threads in force while the prompt is read."""
        return Setting(0, self.generation.threads, self.generation.draft_threads)

    def room_for_draft(self, limit: int) -> int:
        """Return how many tokens of a draft could be kept: one place of a round is the target's own."""
        return min(limit, self.final_length - len(self.tokens) - 1)

    def draft_request(self, k: int, threads: int | None) -> DraftRequest:
        """Ask for a draft of up to k tokens, from so many threads."""
        return DraftRequest(
            slot=self.slot,
            tokens=self.tokens,
            k=k,
            sampling=self.generation.sampling,
            rules=self.rules,
            rng=self.rng,
            p_min=self.generation.p_min,
            threads=threads,
            stop=self.policy.stop,
        )

    def followed(self, length: int, threads: int | None) -> Followed:
        """Let the drafter follow the prompt up to its first ``length`` tokens, with so many threads."""
        return Followed(self.slot, self.tokens, length, threads)

    def extend(self, tokens: Tokens[int]) -> None:
        """Add tokens that are certain."""
        self.tokens.extend(tokens)
        self.rules.record(tokens)

    def prefill(self, sample_ns: int) -> Prefill:
        """Say what the prompt cost."""
        return Prefill(self.cached, self.prompt_target_ns, self.prompt_draft_ns, sample_ns)
