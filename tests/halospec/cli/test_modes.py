"""``halospec modes`` on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.controllers.modes import mode_named
from halospec.controllers.rules import RULES
from halospec.rule_list import SOURCES, rule_facts


def test_every_rule_is_listed_with_where_it_comes_from():
    assert set(SOURCES) >= set(RULES)
    assert [one.name for one in rule_facts()] == list(RULES)


def test_every_spelling_that_is_listed_is_a_mode():
    spellings = [
        spelling for one in rule_facts() for spelling in (one.mode, one.mode_in_server) if spelling is not None
    ]
    assert {"adaptive", "auto:heuristic"} <= set(spellings)
    assert [mode_named(spelling).name for spelling in spellings] == spellings


def spelled(value):
    if isinstance(value, list):
        return "+".join(map(str, value))
    return str(value).lower()


@pytest.mark.parametrize("rule", rule_facts(), ids=lambda rule: rule.name)
def test_every_setting_that_is_listed_can_be_given_with_the_value_that_it_has_anyway(rule):
    for mode in filter(None, (rule.mode, rule.mode_in_server)):
        for name, value in rule.settings.items():
            assert mode_named(f"{mode}@{name}={spelled(value)}").settings == mode_named(mode).settings


def test_the_table_and_the_json_hold_the_same_rules():
    shown = CliRunner().invoke(app, ["modes"])
    assert shown.exit_code == 0, shown.output
    listed = json.loads(CliRunner().invoke(app, ["modes", "--json"]).stdout)
    assert [one["name"] for one in listed] == list(RULES)
    starts = {line.split()[0] for line in shown.stdout.splitlines() if line.strip()}
    assert set(RULES) <= starts
    assert "candidate_steps=1+3+5+7" in shown.stdout
    assert "fixed_4@threads=1" in shown.stdout
