"""Whether the server did what it was told: drafted counts must follow the draft length.

This looks at the records of a run as they are. It can tell a knob that is not connected from one that is; a probe that
asks for chosen draft lengths tells more.
"""

from __future__ import annotations

from enum import StrEnum

from halospec.analysis.observation import Observation, Observations, successes
from halospec.analysis.statistics import drafted_per_round, ratio
from halospec.analysis.value import Value

SAME_WITHIN = 0.1
"""Drafting rates closer than this share of the larger one count as equal."""

WIDE_ENOUGH = 2
"""The highest k must be this many times the lowest before equal rates mean that k is ignored."""


class Verdict(StrEnum):
    """What the drafted counts say about the draft length that was asked for."""

    OBEYED = "obeyed"
    IGNORED = "ignored"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


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
        return Manipulation(
            verdict=Verdict.UNKNOWN, reason="the server reported no drafted counts for a known draft length"
        )
    lowest, highest = lengths[0], lengths[-1]
    if highest > 0 and not any(seen.drafted for seen in known):
        return Manipulation(
            verdict=Verdict.IGNORED, reason=f"nothing was drafted, though up to k = {highest} was asked for"
        )
    if lowest == highest:
        return Manipulation(
            verdict=Verdict.UNKNOWN, reason=f"only k = {lowest} was asked for; counts can follow k only if k varies"
        )
    low, high = (_drafting_rate(known, k) for k in (lowest, highest))
    wide = highest >= WIDE_ENOUGH * lowest
    if wide and low is not None and high is not None and abs(high - low) <= SAME_WITHIN * max(low, high):
        return Manipulation(
            verdict=Verdict.IGNORED,
            reason=f"as much was drafted at k = {lowest} as at k = {highest} "
            f"({low:.2f} and {high:.2f} tokens per {_unit(known)})",
        )
    if excess := next((seen for seen in known if _exceeds(seen)), None):
        return Manipulation(verdict=Verdict.VIOLATED, reason=_describe_excess(excess))
    if not wide:
        return Manipulation(
            verdict=Verdict.UNKNOWN,
            reason=f"k = {lowest} to {highest} is too narrow a range to tell whether counts follow k",
        )
    return Manipulation(
        verdict=Verdict.OBEYED,
        reason=f"drafted counts followed k from {lowest} to {highest} in all {len(known)} requests",
    )


def _drafting_rate(known: Observations, k: int) -> float | None:
    at_k = tuple(seen for seen in known if seen.draft_length == k)
    if _rounds_known(known):
        return drafted_per_round(at_k)
    return ratio(sum(seen.drafted or 0 for seen in at_k), sum(seen.tokens or 0 for seen in at_k))


def _rounds_known(known: Observations) -> bool:
    return all(seen.rounds for seen in known)


def _unit(known: Observations) -> str:
    return "round" if _rounds_known(known) else "output token"


def _exceeds(seen: Observation) -> bool:
    if seen.draft_length == 0:
        return bool(seen.drafted)
    if seen.rounds is None or seen.draft_length is None or seen.drafted is None:
        return False
    return seen.drafted > seen.draft_length * seen.rounds


def _describe_excess(seen: Observation) -> str:
    rounds = "" if seen.rounds is None else f" in {seen.rounds} rounds"
    return f"a request with k = {seen.draft_length} drafted {seen.drafted} tokens{rounds}"
