"""Worlds for bandits: what a step with each draft length brings, with seeded chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from halospec.controllers.per_round import outcome_of_round
from halospec.controllers.protocol import Controller, Outcome, RoundOutcome

Step = Callable[[int], Outcome]
"""From a draft length to what a step with it was like."""

TOKENS = 64


def requests(best: int, seed: int, noise: float = 0.05) -> Step:
    """Requests of 64 tokens whose time rises by a tenth with every length away from the best."""
    random = np.random.default_rng(seed)

    def step(draft_length: int) -> Outcome:
        time_ms = 1000.0 * (1.0 + 0.1 * abs(draft_length - best)) * random.lognormal(0.0, noise)
        return Outcome(draft_length, True, time_ms + 50.0, completion_tokens=TOKENS + 1, decode_ms=time_ms)

    return step


def rounds(acceptance: float, seed: int, pass_ms: float = 5.0) -> Step:
    """Rounds of which each token is accepted with that chance; a draft's pass costs so much, the target's 20 ms."""
    random = np.random.default_rng(seed)

    def step(draft_length: int) -> Outcome:
        accepted = min(draft_length, int(random.geometric(1.0 - acceptance)) - 1)
        return outcome_of_round(RoundOutcome(draft_length, draft_length, accepted, pass_ms * draft_length, 20.0))

    return step


def lengths_chosen(rule: Controller, step: Step, steps: int) -> list[int]:
    """Let a rule live in a world for so many steps; return what it chose."""
    chosen = []
    for _ in range(steps):
        chosen.append(rule.choose())
        rule.update(step(chosen[-1]))
    return chosen


def favourite(chosen: list[int]) -> int:
    """Return the length that was chosen most often."""
    return Counter(chosen).most_common(1)[0][0]
