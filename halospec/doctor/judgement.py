"""What a check comes to, before it has a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec.records.fitness import State

_BY_WEIGHT = (State.GOOD, State.UNKNOWN, State.NOTE, State.WARNING, State.BAD)


class Unseen(Exception):
    """Something that cannot be seen on this machine, and why, as a short sentence without a full stop."""


@dataclass(frozen=True)
class Judgement:
    """A finding without its name: how it bears on measurements, what was found, and what to do about it."""

    state: State
    found: str
    remedy: str | None = None


def good(found: str) -> Judgement:
    """Return that all is well."""
    return Judgement(State.GOOD, found)


def together(judgements: Sequence[Judgement]) -> Judgement:
    """Return several as one: the gravest state, what was found in each, and every remedy once."""
    remedies = dict.fromkeys(one.remedy for one in judgements if one.remedy is not None)
    return Judgement(
        max((one.state for one in judgements), key=_BY_WEIGHT.index),
        "; ".join(one.found for one in judgements),
        "; ".join(remedies) or None,
    )
