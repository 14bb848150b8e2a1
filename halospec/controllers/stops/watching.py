"""What all stops share: the draft under way, place by place, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import DraftPlace, DraftStop
from halospec.controllers.protocol import RoundOutcome


class WatchedDraft:
    """The places of the draft under way, in order.

    Parameters
    ----------
    min_length
        Tokens that every draft proposes, whatever is offered for them.
    """

    def __init__(self, min_length: int) -> None:
        self._min_length = min_length
        self._places: list[DraftPlace] = []

    def begin(self) -> None:
        """Forget the last draft."""
        self._places.clear()

    def reaches(self, place: DraftPlace) -> bool:
        """Take note of the next place; return whether the draft may end before it."""
        self._places.append(place)
        return len(self._places) > self._min_length

    def verdicts(self, done: RoundOutcome) -> list[tuple[DraftPlace, bool]]:
        """Return the places that the target judged, each with whether its token was kept.

        Those are the places up to the first rejection. What comes after it was drafted for a text that does not exist,
        and a place before which the draft ended was never proposed. Nothing is known of a draft that was not watched
        from its first place on, or that another drafter made.
        """
        if len(self._places) < done.k:
            return []
        judged = min(done.accepted + 1, done.k)
        return [(place, i < done.accepted) for i, place in enumerate(self._places[:judged])]


class LearningStop(DraftStop, Protocol):
    """A stop that is told what became of the drafts it watched."""

    def learn(self, done: RoundOutcome) -> None:
        """Take in the round that the last draft went into."""
        ...


@dataclass(frozen=True)
class UpToAStop:
    """A rule at work on one text: the longest draft is always allowed, and the stop ends it.

    Attributes
    ----------
    max_length
        Tokens of a draft that nothing ends.
    """

    max_length: int
    stop: LearningStop

    def choose(self, sequences: int = 1) -> Setting:  # noqa: ARG002
        """Return the longest draft, with the server's own threads."""
        return Setting(self.max_length)

    def update(self, done: RoundOutcome) -> None:
        """Tell the stop of a round that has ended."""
        self.stop.learn(done)
