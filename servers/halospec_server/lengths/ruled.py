"""A rule of ``halospec.controllers`` at work on one text."""

from __future__ import annotations

from halospec.controllers.decision import Decision, Setting
from halospec.controllers.per_round import DraftStop, RoundController
from halospec.controllers.protocol import Explaining, RoundOutcome
from halospec_server.decoding.generation import Round


class RuledLength:
    """Asks a rule before each round of a text, and tells it of each that ended.

    Parameters
    ----------
    lessons
        Texts that the rule learned from before.
    explained
        Whether the rule is to say why it chose what it did, as far as it can.
    """

    def __init__(self, rule: RoundController, lessons: int, *, explained: bool) -> None:
        self.lessons = lessons
        self.decision: Decision | None = None
        self._rule = rule
        self._explaining = rule if explained and isinstance(rule, Explaining) else None
        self._chosen: Setting | None = None

    @property
    def stop(self) -> DraftStop | None:
        """What the rule ends drafts by."""
        return self._rule.stop

    def choose(self, sequences: int) -> Setting:
        """Return the rule's choice, and keep its reasons if it is another than before."""
        chosen = self._rule.choose(sequences)
        if self._explaining is not None:
            self.decision = self._explaining.explain() if chosen != self._chosen else None
            self._chosen = chosen
        return chosen

    def update(self, done: Round) -> None:
        """Tell the rule."""
        self._rule.update(outcome_of(done))


def outcome_of(done: Round) -> RoundOutcome:
    """Put a round into the words of ``halospec.controllers``; what followed the target's pass counts as verifying."""
    return RoundOutcome(
        limit=done.limit,
        k=done.k,
        accepted=done.accepted,
        draft_ms=done.draft_ns / 1e6,
        verify_ms=(done.verify_ns + done.sample_ns) / 1e6,
        threads=done.threads,
        draft_threads=done.draft_threads,
        sequences=done.sequences,
        width=done.width,
    )
