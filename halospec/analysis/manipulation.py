"""Whether the server did during the run what it was told: drafted counts must follow the draft length.

Before a run the probe settles whether the knob is connected at all, with draft lengths and prompts of its own choosing.
This looks at what came of it: the requests of the run as they are, with the draft lengths that its modes asked for. It
finds a server that stopped obeying, a model alias that does not keep to its k, a restart that did not take.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from halospec.analysis.requests import Floats, Requests
from halospec.analysis.statistics import ratio
from halospec.analysis.value import Value

SAME_WITHIN = 0.1
"""Drafting rates closer than this share of the larger one count as equal."""

WIDE_ENOUGH = 2
"""The highest k must be this many times the lowest before different rates mean that counts follow k."""

EQUAL_TELLS_BELOW = 0.8
"""Equal rates mean that k is ignored where obedience would hold the lower k's rate below this share of the higher's."""


class Verdict(StrEnum):
    """What the drafted counts say about the draft length that was asked for."""

    OBEYED = "obeyed"
    IGNORED = "ignored"
    VIOLATED = "violated"
    CANNOT_TELL = "cannot_tell"


class Manipulation(Value):
    """A verdict, and the evidence for it in one sentence."""

    verdict: Verdict
    reason: str


def manipulation(requests: Requests) -> Manipulation:
    """Judge the successful requests whose k and drafted count are known."""
    successes = requests.successes
    known = successes.where(~np.isnan(successes.drafted) & ~np.isnan(successes.draft_length))
    if not len(known):
        return _cannot_tell("the server reported no drafted counts for a known draft length")
    lowest, highest = int(known.draft_length.min()), int(known.draft_length.max())
    if highest > 0 and not known.drafted.any():
        return _judged(Verdict.IGNORED, f"nothing was drafted, though up to k = {highest} was asked for")
    if lowest == highest:
        return _cannot_tell(f"only k = {lowest} was asked for; counts can follow k only if k varies")
    rounds = _rounds(known)
    by_round = not np.isnan(rounds).any()
    chances = rounds if by_round else known.tokens
    low, high = (_drafting_rate(known, chances, k) for k in (lowest, highest))
    if low is None or high is None:
        return _cannot_tell("neither rounds nor tokens are known, so drafted counts cannot be compared")
    rates = f"({low:.2f} and {high:.2f} tokens per {'round' if by_round else 'output token'})"
    equal = abs(high - low) <= SAME_WITHIN * max(low, high)
    if equal and _equality_tells(lowest, highest):
        return _judged(Verdict.IGNORED, f"as much was drafted at k = {lowest} as at k = {highest} {rates}")
    if excess := _first_excess(known, rounds):
        return _judged(Verdict.VIOLATED, excess)
    if equal or highest < WIDE_ENOUGH * lowest:
        return _cannot_tell(f"k = {lowest} to {highest} is too narrow a range to tell whether counts follow k {rates}")
    if high < low:
        return _cannot_tell(f"less was drafted at k = {highest} than at k = {lowest} {rates}")
    return _judged(Verdict.OBEYED, f"drafted counts followed k from {lowest} to {highest} in all {len(known)} requests")


def _judged(verdict: Verdict, reason: str) -> Manipulation:
    return Manipulation(verdict=verdict, reason=reason)


def _cannot_tell(reason: str) -> Manipulation:
    return _judged(Verdict.CANNOT_TELL, reason)


def _drafting_rate(known: Requests, chances: Floats, k: int) -> float | None:
    at_k = known.draft_length == k
    drafted = float(known.drafted[at_k].sum())
    return 0.0 if drafted == 0 else ratio(drafted, float(np.nansum(chances[at_k])))


def _rounds(known: Requests) -> Floats:
    """Return the server's counts, else what follows from its totals, NaN where nothing does.

    After the first token, a round yields the tokens that it accepted and one more.
    """
    accepted = np.where(known.drafted == 0, 0, known.accepted)
    tokens = np.where(known.by_events, np.nan, known.tokens)
    implied = np.maximum(tokens - 1 - accepted, np.where(known.drafted > 0, 1, 0))
    return np.where(np.isnan(known.rounds), implied, known.rounds)


def _equality_tells(lowest: int, highest: int) -> bool:
    """Tell whether equal drafting rates are out of the question where k is obeyed.

    A long draft covers in one round what a short one needs several for. Where everything is accepted, k of k + 1 tokens
    were drafted, which hardly differs between 4 and 8; and where drafts are rare (an n-gram drafter without a match),
    a rate per round is no better, since nearly all rounds draft nothing.
    """
    return lowest * (highest + 1) <= EQUAL_TELLS_BELOW * highest * (lowest + 1)


def _first_excess(known: Requests, rounds: Floats) -> str | None:
    """Describe the first request that drafted more than its k and its rounds allow.

    Totals lack what the last round accepted beyond the end of the reply, up to k tokens: where rounds were not counted
    there can have been as many more.
    """
    is_counted = ~np.isnan(known.rounds)
    most = np.where(is_counted, rounds, rounds + known.draft_length)
    # Where the rounds are not known no count is too high, but at k = 0 any is.
    allowed = np.where(known.draft_length == 0, 0, known.draft_length * most)
    exceeding = np.flatnonzero(known.drafted > allowed)
    if not exceeding.size:
        return None
    first = exceeding[0]
    many = "" if is_counted[first] else "at most "
    rounds_there = "" if np.isnan(most[first]) else f" in {many}{most[first]:.0f} rounds"
    return f"a request with k = {known.draft_length[first]:.0f} drafted {known.drafted[first]:.0f} tokens{rounds_there}"
