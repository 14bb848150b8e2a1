"""Whether the server did during the run what it was told: drafted counts must follow the draft length.

Before a run the probe settles whether the knob is connected at all, with draft lengths and prompts of its own choosing.
This looks at what came of it: the requests of the run as they are, with the draft lengths that its modes asked for. It
finds a server that stopped obeying, a model alias that does not keep to its k, a restart that did not take.
"""

from __future__ import annotations

from enum import StrEnum

from halospec.analysis.observation import Observation, Observations, successes
from halospec.analysis.value import Value
from halospec.records.schema import CountSource

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


def manipulation(observations: Observations) -> Manipulation:
    """Judge the successful requests whose k and drafted count are known."""
    known = tuple(
        seen for seen in successes(observations) if seen.drafted is not None and seen.draft_length is not None
    )
    lengths = sorted({seen.draft_length for seen in known if seen.draft_length is not None})
    if not lengths:
        return _cannot_tell("the server reported no drafted counts for a known draft length")
    lowest, highest = lengths[0], lengths[-1]
    if highest > 0 and not any(seen.drafted for seen in known):
        return _judged(Verdict.IGNORED, f"nothing was drafted, though up to k = {highest} was asked for")
    if lowest == highest:
        return _cannot_tell(f"only k = {lowest} was asked for; counts can follow k only if k varies")
    low, high = (_drafting_rate(known, k) for k in (lowest, highest))
    if low is None or high is None:
        return _cannot_tell("neither rounds nor tokens are known, so drafted counts cannot be compared")
    rates = f"({low:.2f} and {high:.2f} tokens per {_unit(known)})"
    equal = abs(high - low) <= SAME_WITHIN * max(low, high)
    if equal and _equality_tells(lowest, highest):
        return _judged(Verdict.IGNORED, f"as much was drafted at k = {lowest} as at k = {highest} {rates}")
    if excess := next((seen for seen in known if _exceeds(seen)), None):
        return _judged(Verdict.VIOLATED, _describe_excess(excess))
    if equal or highest < WIDE_ENOUGH * lowest:
        return _cannot_tell(f"k = {lowest} to {highest} is too narrow a range to tell whether counts follow k {rates}")
    if high < low:
        return _cannot_tell(f"less was drafted at k = {highest} than at k = {lowest} {rates}")
    return _judged(Verdict.OBEYED, f"drafted counts followed k from {lowest} to {highest} in all {len(known)} requests")


def _judged(verdict: Verdict, reason: str) -> Manipulation:
    return Manipulation(verdict=verdict, reason=reason)


def _cannot_tell(reason: str) -> Manipulation:
    return _judged(Verdict.CANNOT_TELL, reason)


def _drafting_rate(known: Observations, k: int) -> float | None:
    at_k = tuple(seen for seen in known if seen.draft_length == k)
    drafted = sum(seen.drafted or 0 for seen in at_k)
    if drafted == 0:
        return 0.0
    if _rounds_known(known):
        chances = sum(_rounds(seen) or 0 for seen in at_k)
    else:
        chances = sum(seen.tokens or 0 for seen in at_k)
    return drafted / chances if chances else None


def _rounds_known(known: Observations) -> bool:
    return all(_rounds(seen) is not None for seen in known)


def _unit(known: Observations) -> str:
    return "round" if _rounds_known(known) else "output token"


def _rounds(seen: Observation) -> int | None:
    """Return the server's count, else what follows from its totals.

    After the first token, a round yields the tokens that it accepted and one more.
    """
    if seen.rounds is not None:
        return seen.rounds
    accepted = 0 if seen.drafted == 0 else seen.accepted
    if accepted is None or seen.tokens is None or seen.tokens_from is CountSource.EVENTS:
        return None
    return max(seen.tokens - 1 - accepted, 1 if seen.drafted else 0)


def _most_rounds(seen: Observation) -> int | None:
    """Return as many rounds as there can have been.

    The totals lack what the last round accepted beyond the end of the reply, up to k tokens.
    """
    rounds = _rounds(seen)
    if rounds is None or seen.rounds is not None:
        return rounds
    return rounds + (seen.draft_length or 0)


def _equality_tells(lowest: int, highest: int) -> bool:
    """Tell whether equal drafting rates are out of the question where k is obeyed.

    A long draft covers in one round what a short one needs several for. Where everything is accepted, k of k + 1 tokens
    were drafted, which hardly differs between 4 and 8; and where drafts are rare (an n-gram drafter without a match),
    a rate per round is no better, since nearly all rounds draft nothing.
    """
    return lowest * (highest + 1) <= EQUAL_TELLS_BELOW * highest * (lowest + 1)


def _exceeds(seen: Observation) -> bool:
    if seen.draft_length == 0:
        return bool(seen.drafted)
    rounds = _most_rounds(seen)
    if rounds is None or seen.draft_length is None or seen.drafted is None:
        return False
    return seen.drafted > seen.draft_length * rounds


def _describe_excess(seen: Observation) -> str:
    most = _most_rounds(seen)
    rounds = "" if most is None else f" in {'at most ' if seen.rounds is None else ''}{most} rounds"
    return f"a request with k = {seen.draft_length} drafted {seen.drafted} tokens{rounds}"
