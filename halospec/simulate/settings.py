"""How a simulation is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SimulationSettings:
    """The simulator's own numbers.

    Attributes
    ----------
    block_tokens
        For so many tokens of a request the recorded timeline is followed, round by round, before another place in it is
        drawn.
    stretch_rounds
        Recorded rounds that are neighbours: from one such stretch a simulated round's cost is taken.
    warm_up
        Requests before the measured ones, under the first segment's condition.
    prompt_ms
        What a request's prompt takes: in its latency, not in its time per token.
    counts_only
        Controllers in the client see totals and no rounds, as of a server that logs none.
    sampled
        Temperature above 0: each position is accepted with the probability that the distributions' overlap gives, not
        where the likeliest tokens agree. The text itself stays the recorded one.
    """

    block_tokens: int = 48
    stretch_rounds: int = 64
    warm_up: int = 5
    prompt_ms: float = 0.0
    counts_only: bool = False
    sampled: bool = False

    def __post_init__(self) -> None:
        if self.block_tokens < 1 or self.stretch_rounds < 1:
            raise ValueError("a block needs at least one token, and a stretch one round")
        if self.warm_up < 0 or self.prompt_ms < 0:
            raise ValueError("warm-up requests and the prompt's time cannot be negative")
