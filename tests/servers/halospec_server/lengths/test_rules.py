"""What is learned is kept as long as its rule is in use, and no longer."""

from __future__ import annotations

import pytest

from halospec.controllers.decision import Setting
from halospec.controllers.per_round import RoundController, Threads
from halospec.controllers.rules import server_rules
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Round
from halospec_server.lengths.ruled import RuledLength
from halospec_server.lengths.rules import MOST_RULES, LengthRules

THREADS = Threads(((2, 2), (2, 1), (1, 1)))


@pytest.fixture
def rules() -> LengthRules:
    return LengthRules(THREADS)


def all_accepted(policy: RuledLength, rounds: int = 100) -> int:
    """Let every draft be accepted and return where that leads."""
    for _ in range(rounds):
        k = policy.choose(1).draft_length
        policy.update(Round(k, k, k, 1_000_000 * k, 0, 10_000_000, 0, 1, k + 1, 2, 2))
    return policy.choose(1).draft_length


@pytest.mark.parametrize("name", server_rules())
def test_every_rule_chooses_draft_lengths_that_there_are(rules: LengthRules, name: str) -> None:
    policy = rules.for_text(name, "model")
    assert 0 <= all_accepted(policy) <= MAX_DRAFT_LENGTH


def test_a_rule_for_all_texts_goes_on_where_the_last_text_left_it(rules: LengthRules) -> None:
    start = rules.for_text("ema_accept", "model").choose(1)
    learned = all_accepted(rules.for_text("ema_accept", "model"))
    assert rules.for_text("ema_accept", "model").choose(1) == Setting(learned) != start


def test_a_rule_for_one_text_begins_anew_with_each(rules: LengthRules) -> None:
    start = rules.for_text("heuristic", "model").choose(1)
    assert all_accepted(rules.for_text("heuristic", "model")) != start.draft_length
    assert rules.for_text("heuristic", "model").choose(1) == start


def test_what_was_learned_of_one_drafter_says_nothing_of_another(rules: LengthRules) -> None:
    start = rules.for_text("ema_accept", "prompt_lookup").choose(1)
    all_accepted(rules.for_text("ema_accept", "model"))
    assert rules.for_text("ema_accept", "prompt_lookup").choose(1) == start


def test_other_settings_are_another_rule(rules: LengthRules) -> None:
    all_accepted(rules.for_text("ema_accept", "model"))
    assert rules.for_text("uniform@min_length=7@max_length=7", "model").choose(1) == Setting(7)
    assert rules.for_text("heuristic@start_length=2", "model").choose(1) == Setting(2)


def test_lessons_are_the_texts_that_a_rule_for_all_was_at_work_on_before(rules: LengthRules) -> None:
    assert [rules.for_text("ema_accept", "model").lessons for _ in range(3)] == [0, 1, 2]
    assert [rules.for_text("heuristic", "model").lessons for _ in range(3)] == [0, 0, 0]


def test_of_too_many_the_one_unused_for_longest_is_forgotten(rules: LengthRules) -> None:
    learned = all_accepted(rules.for_text("ema_accept", "model"))
    for seed in range(MOST_RULES - 1):
        rules.for_text(f"uniform@seed={seed}", "model")
    assert rules.for_text("ema_accept", "model").choose(1) == Setting(learned), "there is room for all"
    for seed in range(100, 100 + MOST_RULES):
        rules.for_text(f"uniform@seed={seed}", "model")
        assert len(rules) <= MOST_RULES
    assert rules.for_text("ema_accept", "model").choose(1) != Setting(learned)


def test_a_text_keeps_its_rule_when_that_is_forgotten(rules: LengthRules) -> None:
    running = rules.for_text("ema_accept", "model")
    rules.forget()
    assert all_accepted(running) != rules.for_text("ema_accept", "model").choose(1).draft_length


@pytest.mark.parametrize(
    ("spelling", "sentence"),
    [
        ("clever", "no length policy 'clever'; choose one of heuristic"),
        ("adaptive", "no length policy 'adaptive'"),
        ("heuristic@mood=good", "heuristic has no setting 'mood'.*start_length="),
        ("heuristic@start_length=many", "heuristic cannot have start_length=many"),
        ("heuristic@start_length", "no setting"),
    ],
)
def test_what_stands_for_no_rule_is_refused_in_one_sentence(rules: LengthRules, spelling: str, sentence: str) -> None:
    for ask in (rules.check, lambda spelling: rules.for_text(spelling, "model")):
        with pytest.raises(ValueError, match=sentence) as refused:
            ask(spelling)
        assert "\n" not in str(refused.value)
    assert len(rules) == 0


@pytest.mark.parametrize("name", [name for name in server_rules() if name != "ema_accept"])
def test_no_rule_may_draft_more_than_a_pass_has_room_for(rules: LengthRules, name: str) -> None:
    setting = "draft_length" if name == "fixed" else "max_length"
    with pytest.raises(ValueError):
        rules.check(f"{name}@{setting}={MAX_DRAFT_LENGTH + 1}")


def test_checking_leaves_the_rules_in_use_as_they_are(rules: LengthRules) -> None:
    rules.check("ema_accept")
    assert len(rules) == 0


def test_numbers_with_which_no_text_could_begin_are_refused_before_one_does() -> None:
    class Underflowing:
        def for_text(self) -> RoundController:
            raise ZeroDivisionError

    with pytest.raises(ValueError, match="cost_model@text_spread=1e-200 has numbers that nothing"):
        LengthRules(THREADS, lambda _spelling, _threads: Underflowing()).check("cost_model@text_spread=1e-200")
