"""Rules inside a server: asked before every round of a text, told of every round that ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from halospec.controllers.decision import Setting
from halospec.controllers.protocol import Controller, Outcome, RoundOutcome


@dataclass(frozen=True)
class Threads:
    """Threads of the target's and of the draft's passes that a server offers; its own setting is the first."""

    offered: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DraftPlace:
    """What the draft model offers for its next token, before one is chosen: all that a stop may hang on.

    A stop must not hang on which token is then drawn: dropping a drawn token because it is unlikely makes likely ones
    too frequent in the text, and the output is no longer the target's own.

    Attributes
    ----------
    top_probability
        Of the likeliest token, at temperature 1.
    entropy
        Of the whole distribution at temperature 1, in nats.
    """

    top_probability: float
    entropy: float


class DraftStop(Protocol):
    """Ends drafts early, by what the draft model offers; one for each text."""

    def begin(self) -> None:
        """Take note that a new draft begins."""
        ...

    def ends_before(self, place: DraftPlace) -> bool:
        """Tell whether the draft ends here; what is offered here is then not proposed. Called once for each place."""
        ...


class RoundController(Protocol):
    """A rule at work on one text."""

    @property
    def stop(self) -> DraftStop | None:
        """What may end a draft before the draft length in force does; ``None``: nothing."""
        ...

    def choose(self, sequences: int = 1) -> Setting:
        """Return what the next round is to use; ``sequences`` texts share its pass."""
        ...

    def update(self, done: RoundOutcome) -> None:
        """Take in a round that has ended."""
        ...


class RoundRule(Protocol):
    """A rule that lives as long as the server, and what it has learned from all texts with it."""

    def for_text(self) -> RoundController:
        """Return the rule as it is applied to a new text."""
        ...


@dataclass(frozen=True)
class Stepwise:
    """Applies a controller of requests to rounds: every round is a step."""

    controller: Controller

    @property
    def stop(self) -> DraftStop | None:
        """Nothing: the length alone decides."""
        return None

    def choose(self, sequences: int = 1) -> Setting:  # noqa: ARG002
        """Return what the controller chooses, with the server's own threads."""
        return Setting(self.controller.choose())

    def update(self, done: RoundOutcome) -> None:
        """Tell the controller of the round as of a whole step."""
        self.controller.update(outcome_of_round(done))


def outcome_of_round(done: RoundOutcome) -> Outcome:
    """Return a round as a step of its own."""
    return Outcome(
        draft_length=done.limit,
        success=True,
        latency_ms=done.duration_ms,
        completion_tokens=done.accepted + 1,
        drafted=done.k,
        accepted=done.accepted,
        rounds=1,
        decode_ms=done.duration_ms,
        round_log=(done,),
    )
