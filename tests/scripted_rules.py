"""Rules that do what a test tells them, where a real one would do what it thinks best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from halospec.controllers.decision import Candidate, Decision, Setting
from halospec.controllers.per_round import DraftPlace, DraftStop, RoundController, RoundRule, Threads
from halospec.controllers.protocol import Outcome, RoundOutcome
from halospec_server.lengths.rules import MakeRule


def always(rule: RoundRule) -> MakeRule:
    """Let every spelling stand for one and the same rule."""
    return lambda _spelling, _threads: rule


@dataclass
class ScriptedRule:
    """Goes through settings over and over, the same for every text, with a reason for each.

    Attributes
    ----------
    offered
        The threads that it was told of.
    asked, told
        With how many sequences it was asked, and of which rounds it was told, in all texts.
    alarms
        Of every reason.
    """

    script: tuple[Setting, ...]
    stop: DraftStop | None = None
    offered: Threads | None = None
    asked: list[int] = field(default_factory=list)
    told: list[RoundOutcome] = field(default_factory=list)
    alarms: tuple[str, ...] = ("it was written so",)

    def make(self, _spelling: str, threads: Threads) -> RoundRule:
        """Stand in for `round_rule`."""
        self.offered = threads
        return self

    def for_text(self) -> RoundController:
        """Begin anew."""
        return _Scripted(self)


@dataclass
class _Scripted:
    rule: ScriptedRule
    chosen: int = 0

    @property
    def stop(self) -> DraftStop | None:
        return self.rule.stop

    def choose(self, sequences: int = 1) -> Setting:
        self.rule.asked.append(sequences)
        self.chosen += 1
        return self._setting

    def update(self, done: RoundOutcome) -> None:
        self.rule.told.append(done)

    def explain(self) -> Decision:
        weighed = tuple(Candidate(setting, 1.5, 10.0) for setting in self.rule.script)
        return Decision(self._setting, f"choice {self.chosen}", weighed, (0.75, 0.5), self.rule.alarms)

    @property
    def _setting(self) -> Setting:
        return self.rule.script[(self.chosen - 1) % len(self.rule.script)]


@dataclass
class CountingSteps:
    """Drafts as many tokens as it has seen steps, up to 8."""

    steps: int = 0

    def choose(self) -> int:
        """Return how many steps there were."""
        return min(self.steps, 8)

    def update(self, outcome: Outcome) -> None:
        """Count."""
        self.steps += 1


@dataclass
class WatchingStop:
    """Ends drafts where it is told to, and remembers the places that it was shown of each draft."""

    ends: Callable[[DraftPlace], bool]
    drafts: list[list[DraftPlace]] = field(default_factory=list)

    def begin(self) -> None:
        """Turn over a leaf."""
        self.drafts.append([])

    def ends_before(self, place: DraftPlace) -> bool:
        """Take the place down and say whether the draft ends there."""
        self.drafts[-1].append(place)
        return self.ends(place)
