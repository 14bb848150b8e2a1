"""Steps to tell a controller of, in few words."""

from __future__ import annotations

from collections.abc import Iterable

from halospec.controllers.per_round import outcome_of_round
from halospec.controllers.protocol import Controller, Outcome, RoundOutcome


def round_of(accepted: int, k: int, limit: int | None = None) -> RoundOutcome:
    """A round in which ``accepted`` of ``k`` drafted tokens were kept, with ``limit`` in force (unless said, ``k``)."""
    return RoundOutcome(k if limit is None else limit, k, accepted, draft_ms=2.0 * k, verify_ms=10.0)


def request_of(*rounds: RoundOutcome, logged: bool = True, counted: bool = True) -> Outcome:
    """A request of these rounds; not ``logged``: as totals alone, and not ``counted``: without the number of rounds."""
    return Outcome(
        draft_length=rounds[0].limit,
        success=True,
        latency_ms=100.0 + sum(done.duration_ms for done in rounds),
        completion_tokens=1 + len(rounds) + sum(done.accepted for done in rounds),
        drafted=sum(done.k for done in rounds),
        accepted=sum(done.accepted for done in rounds),
        rounds=len(rounds) if counted else None,
        decode_ms=sum(done.duration_ms for done in rounds),
        round_log=rounds if logged else (),
    )


def failure(draft_length: int = 4) -> Outcome:
    """A request that failed after five milliseconds."""
    return Outcome(draft_length, success=False, latency_ms=5.0)


def lengths_after_rounds(rule: Controller, kept: Iterable[int]) -> list[int]:
    """Every length that a rule chooses where each draft is as long as it chose and so many tokens of it are kept.

    The length that would come next closes the list.
    """
    chosen = [rule.choose()]
    for accepted in kept:
        assert accepted <= chosen[-1], "more cannot be kept than is drafted"
        rule.update(outcome_of_round(round_of(accepted, chosen[-1])))
        chosen.append(rule.choose())
    return chosen
