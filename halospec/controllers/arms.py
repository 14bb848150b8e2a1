"""Draft lengths as the arms of a bandit: what each has yielded lately, in tokens and in time.

The yield of an arm is a ratio of sums, tokens over time, since that is what a long run with it comes to. The mean of
the rates of its steps would be something else: it overrates lengths whose steps vary, as BanditSpec's published serving
code does (sail-sg/BanditSpec, ``generate_utils.py``: a running mean of each round's own throughput).

Everything is counted in stretches of so many tokens, not in steps, so that the same settings mean the same where a step
is a request (in the client) and where it is a round (in a server): a round of 2 tokens is 1/32 of a stretch of 64, and
ages what was known before it by as much less. With replies of 64 tokens, a stretch is a request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from halospec.controllers.protocol import Outcome

_FORGOTTEN = 1e-6
"""An arm with less than this left of its stretches counts as one never tried."""


@dataclass(frozen=True, slots=True)
class Earned:
    """What a step brought, and what it took."""

    tokens: float
    time_ms: float


def earned_in(outcome: Outcome) -> Earned | None:
    """Return what a step brought: the tokens after the first in the time after the first, where both are known.

    Otherwise, and where a reply came in one piece, all of its tokens in all of its time; of a failure the time it cost,
    and nothing for it. ``None`` where a success says nothing: no token count, or no time.
    """
    if not outcome.success:
        return Earned(0.0, outcome.latency_ms) if outcome.latency_ms > 0.0 else None
    decoded = _decoded(outcome)
    in_one_piece = outcome.decode_ms == 0.0 and decoded != 0
    if outcome.decode_ms is not None and decoded is not None and not in_one_piece:
        earned = Earned(decoded, outcome.decode_ms)
    elif outcome.completion_tokens is not None:
        earned = Earned(outcome.completion_tokens, outcome.latency_ms)
    else:
        return None
    return earned if earned.tokens > 0.0 and earned.time_ms > 0.0 else None


def _decoded(outcome: Outcome) -> int | None:
    """Return the tokens that rounds brought: of a request all but the first, of a single round all."""
    if outcome.accepted is not None and outcome.rounds is not None:
        return outcome.accepted + outcome.rounds
    return None if outcome.completion_tokens is None else outcome.completion_tokens - 1


class Arms:
    """Discounted sums of tokens and time, one of each for every length.

    Parameters
    ----------
    discount
        What a stretch still counts for when the next one is over.
    stretch_tokens
        Tokens of a stretch. A failure counts for a whole one.
    """

    def __init__(self, min_length: int, max_length: int, discount: float, stretch_tokens: int) -> None:
        self.lengths = range(min_length, max_length + 1)
        self.stretches = [0.0] * len(self.lengths)
        """How much is known of each arm, in the order of ``lengths``."""
        self._tokens = [0.0] * len(self.lengths)
        self._time_ms = [0.0] * len(self.lengths)
        self._discount = discount
        self._stretch_tokens = stretch_tokens

    def add(self, draft_length: int, earned: Earned) -> float:
        """Take in a step with one of the lengths; return what is left of the weight of all that was known before."""
        weight = earned.tokens / self._stretch_tokens if earned.tokens > 0.0 else 1.0
        kept = math.pow(self._discount, weight)
        self.stretches = [kept * value for value in self.stretches]
        self._tokens = [kept * value for value in self._tokens]
        self._time_ms = [kept * value for value in self._time_ms]
        arm = draft_length - self.lengths.start
        self.stretches[arm] += weight
        self._tokens[arm] += earned.tokens
        self._time_ms[arm] += earned.time_ms
        return kept

    def untried(self) -> int | None:
        """Return the shortest length of which nothing is known, or no longer."""
        for length, stretches in zip(self.lengths, self.stretches, strict=True):
            if stretches < _FORGOTTEN:
                return length
        return None

    def rates(self) -> list[float]:
        """Return tokens per millisecond of every arm; 0 of one never tried."""
        return [
            tokens / time_ms if time_ms > 0.0 else 0.0
            for tokens, time_ms in zip(self._tokens, self._time_ms, strict=True)
        ]

    def overall_rate(self) -> float:
        """Return tokens per millisecond of all arms together, as often as they were used; 0 before any step."""
        time_ms = sum(self._time_ms)
        return sum(self._tokens) / time_ms if time_ms > 0.0 else 0.0
