"""What texts share of a rule inside a server, and what each has for itself."""

from __future__ import annotations

import pytest

from halospec.controllers.per_round import Threads
from halospec.controllers.rules import RULES
from halospec.controllers.spelling import round_rule
from steps_by_hand import round_of


def test_rules_are_listed_under_their_own_names():
    assert all(rule.name == name for name, rule in RULES.items())


@pytest.mark.parametrize(("name", "k"), [("heuristic", 5), ("aimd", 4)])
def test_some_begin_anew_with_each_text(name, k):
    rule = round_rule(name, Threads())
    first, second = rule.for_text(), rule.for_text()
    first.update(round_of(0, k))
    assert (first.choose().draft_length < k, second.choose().draft_length) == (True, k)


def test_others_go_on_from_what_every_text_has_taught():
    rule = round_rule("ema_accept@ema_alpha=1@warmup_batches=0@update_interval=2", Threads())
    first, second = rule.for_text(), rule.for_text()
    first.update(round_of(3, 3))
    second.update(round_of(3, 3))
    assert {text.choose().draft_length for text in (first, second, rule.for_text())} == {5}


def test_two_servers_share_nothing():
    one, other = (round_rule("ema_accept@ema_alpha=1@warmup_batches=0@update_interval=1", Threads()) for _ in range(2))
    one.for_text().update(round_of(3, 3))
    assert (one.for_text().choose().draft_length, other.for_text().choose().draft_length) == (5, 3)


def test_a_fixed_length_is_a_policy_too():
    text = round_rule("fixed@draft_length=6", Threads()).for_text()
    text.update(round_of(0, 6))
    assert text.choose().draft_length == 6
