"""Rounds as a server runs them under a stop, on places that a test makes up."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.controllers.per_round import DraftPlace, RoundController
from halospec.controllers.protocol import RoundOutcome


def sure(probability: float) -> DraftPlace:
    """Return a place whose likeliest token has that probability."""
    return DraftPlace(probability, entropy=0.0)


def spread(entropy: float) -> DraftPlace:
    """Return a place with that entropy."""
    return DraftPlace(top_probability=0.5, entropy=entropy)


def drafted(rule: RoundController, offered: Sequence[DraftPlace], room: int = 16) -> int:
    """Draft as a server does: until the stop, the length in force, or the end of what is offered; return how much."""
    assert rule.stop is not None
    limit = min(rule.choose().draft_length, room)
    rule.stop.begin()
    for k, place in enumerate(offered):
        if k == limit or rule.stop.ends_before(place):
            return k
    return len(offered)


def play(rule: RoundController, offered: Sequence[DraftPlace], accepted: int, room: int = 16) -> RoundOutcome:
    """Draft, have up to so many tokens accepted, and tell the rule."""
    k = drafted(rule, offered, room)
    limit = min(rule.choose().draft_length, room)
    done = RoundOutcome(limit=limit, k=k, accepted=min(accepted, k), draft_ms=1.0, verify_ms=1.0)
    rule.update(done)
    return done
