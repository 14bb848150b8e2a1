"""How a rule is asked and told by the engine's side."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from halospec.controllers.decision import Decision, Setting
from halospec.controllers.protocol import RoundOutcome
from halospec_server.decoding.generation import Round
from halospec_server.lengths.ruled import RuledLength, outcome_of

ROUND = Round(
    limit=5,
    k=4,
    accepted=3,
    draft_ns=8_000_000,
    catch_up_ns=1_000_000,
    verify_ns=20_000_000,
    sample_ns=500_000,
    sequences=2,
    width=9,
    threads=2,
    draft_threads=1,
)


@dataclass
class ScriptedRule:
    """Chooses what it was told to, one after the other, and remembers what it was told."""

    script: list[Setting]
    stop: None = None
    asked: list[int] = field(default_factory=list)
    told: list[RoundOutcome] = field(default_factory=list)

    def choose(self, sequences: int = 1) -> Setting:
        self.asked.append(sequences)
        return self.script[len(self.asked) - 1]

    def update(self, done: RoundOutcome) -> None:
        self.told.append(done)


class ScriptedExplainer(ScriptedRule):
    """The same, with a reason for each choice."""

    def explain(self) -> Decision:
        return Decision(self.script[len(self.asked) - 1], f"because it is choice {len(self.asked)}")


def test_times_become_milliseconds_and_choosing_tokens_counts_as_verifying() -> None:
    assert outcome_of(ROUND) == RoundOutcome(
        limit=5, k=4, accepted=3, draft_ms=8.0, verify_ms=20.5, threads=2, draft_threads=1, sequences=2, width=9
    )


def test_a_rule_is_asked_with_how_many_texts_share_the_pass_and_told_of_each_round() -> None:
    rule = ScriptedRule([Setting(3), Setting(4, threads=1)])
    policy = RuledLength(rule, 0, explained=False)
    assert [policy.choose(1), policy.choose(3)] == rule.script
    assert rule.asked == [1, 3]
    policy.update(ROUND)
    assert rule.told == [outcome_of(ROUND)]


def test_reasons_are_kept_for_the_first_choice_and_for_each_that_differs_from_the_one_before() -> None:
    rule = ScriptedExplainer([Setting(3), Setting(3), Setting(3, threads=1), Setting(3, threads=1), Setting(3)])
    policy = RuledLength(rule, 0, explained=True)
    reasons = []
    for _ in rule.script:
        policy.choose(1)
        reasons.append(policy.decision.reason if policy.decision else None)
    assert reasons == ["because it is choice 1", None, "because it is choice 3", None, "because it is choice 5"]


@pytest.mark.parametrize(("rule", "explained"), [(ScriptedExplainer, False), (ScriptedRule, True)])
def test_there_are_none_that_nobody_asked_for_or_that_the_rule_does_not_have(
    rule: type[ScriptedRule], explained: bool
) -> None:
    policy = RuledLength(rule([Setting(3)]), 0, explained=explained)
    policy.choose(1)
    assert policy.decision is None
