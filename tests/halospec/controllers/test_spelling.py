"""Rules and their numbers, written and read."""

from __future__ import annotations

import string
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.controllers.per_round import Threads
from halospec.controllers.protocol import MAX_DRAFT_LENGTH
from halospec.controllers.rules import RULES, client_rules, server_rules
from halospec.controllers.spelling import (
    Spelled,
    UnknownMode,
    client_rule,
    parse,
    round_rule,
    settings_as_json,
    settings_of,
)

WORD = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)
VALUE = st.text(string.ascii_letters + string.digits + "_.+-:=", min_size=1, max_size=20)


@given(WORD, st.dictionaries(WORD, VALUE, max_size=4))
def test_what_is_taken_apart_goes_together_again(name, values):
    assert parse(str(Spelled(name, values))) == Spelled(name, values)


@given(st.text())
def test_whatever_is_written_is_read_back_as_written_or_refused(text):
    try:
        spelled = parse(text)
    except UnknownMode:
        return
    assert str(spelled) == text


@pytest.mark.parametrize(
    "spelling",
    ["adaptive@", "adaptive@smoothing", "adaptive@smoothing=", "adaptive@=1", "a@@b=1", "a@b= 1", "a@b=\uff14"],
)
def test_a_setting_is_a_name_and_a_value(spelling):
    with pytest.raises(UnknownMode, match="write each as @NAME=VALUE"):
        parse(spelling)


@pytest.mark.parametrize("spelling", ["adaptive\n", "adaptive@smoothing=\x1b[31m", "adaptive@smoothing=0." + "1" * 240])
def test_what_cannot_be_printed_or_has_no_end_is_refused_without_being_repeated(spelling):
    with pytest.raises(UnknownMode, match="at most 256 printable characters") as refused:
        parse(spelling)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_a_setting_is_given_once():
    with pytest.raises(UnknownMode, match="'smoothing' is given twice"):
        parse("adaptive@smoothing=0.1@smoothing=0.2")


@given(st.floats(0.1, 1.0))
def test_numbers_are_read_back_exactly(smoothing):
    _, settings = client_rule(f"adaptive@smoothing={smoothing!r}")
    assert settings.smoothing == smoothing


def test_a_setting_that_may_be_left_open_is_written_none():
    _, settings = client_rule("cost_model@itl_slo_ms=none@tpot_slo_ms=40")
    assert (settings.itl_slo_ms, settings.tpot_slo_ms) == (None, 40.0)
    with pytest.raises(UnknownMode, match="hysteresis=none: it should be a valid number"):
        client_rule("cost_model@hysteresis=none")


@pytest.mark.parametrize("name", RULES)
def test_every_setting_can_be_written_and_what_is_not_written_is_as_ever(name):
    rule = RULES[name]
    default = rule.settings()
    written = {
        field.name: "+".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        for field in fields(default)
        if isinstance(value := getattr(default, field.name), bool | int | float | tuple | None)
    }
    assert settings_of(rule, written) == settings_of(rule, {}) == default


@pytest.mark.parametrize("name", RULES)
def test_no_rule_may_draft_more_than_the_server_can(name):
    rule = RULES[name]
    assert set(rule.lengths(rule.settings())) <= set(range(MAX_DRAFT_LENGTH + 1))
    bound = "draft_length" if name == "fixed" else "candidate_steps" if name == "ema_accept" else "max_length"
    with pytest.raises(UnknownMode, match=f"{name} cannot have"):
        settings_of(rule, {bound: str(MAX_DRAFT_LENGTH + 1)})


def test_several_numbers_are_written_with_plus_signs():
    _, settings = client_rule("ema_accept@candidate_steps=0+1+3@start_length=1")
    assert settings.candidate_steps == (0, 1, 3)
    _, settings = client_rule("ema_accept@candidate_steps=4@start_length=4")
    assert settings.candidate_steps == (4,)


@pytest.mark.parametrize(
    ("spelling", "said"),
    [
        ("adaptive@alpha=0.2", "adaptive has no setting 'alpha'; its settings, .* are start_length=4, .*smoothing=0.4"),
        ("adaptive@calibration=1", "adaptive has no setting 'calibration'"),
        ("adaptive@smoothing=0", "smoothing=0: it should be greater than 0"),
        ("adaptive@smoothing=1.1", "smoothing=1.1: it should be less than or equal to 1"),
        ("adaptive@smoothing=nan", "smoothing=nan"),
        ("adaptive@smoothing=fast", "smoothing=fast: it should be a valid number"),
        ("adaptive@start_length=4.5", "start_length=4.5: it should be a valid integer"),
        ("adaptive@start_length=9", "start_length must lie from min_length to max_length, here 1 to 8"),
        ("adaptive@min_length=2", "length_after_failure must lie from min_length to max_length, here 2 to 8"),
        ("heuristic@min_length=0", "min_length=0: it should be greater than or equal to 1"),
        ("ema_accept@up_hysteresis=inf", "up_hysteresis=inf: it should be finite; where nothing is said it is 0"),
        (
            "ema_accept@candidate_steps=1+x",
            "candidate_steps=1.x: it should be a valid integer.* where nothing is said it is 1.3.5.7",
        ),
        ("ema_accept@candidate_steps=3+1", "candidate_steps must rise"),
        ("ema_accept@update_interval=0", "update_interval=0"),
        ("ema_accept@warmup_batches=-1", "warmup_batches=-1"),
        ("aimd@decrease=1", "decrease=1: it should be less than 1"),
        ("adaptive_normalised@low_percentile=101", "low_percentile=101"),
        ("adaptive_normalised@high_factor=0", "high_factor=0"),
    ],
)
def test_what_a_rule_cannot_have_is_refused_with_what_there_is(spelling, said):
    with pytest.raises(UnknownMode, match=said) as refused:
        client_rule(spelling)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_a_server_has_rules_of_its_own_and_a_client_too():
    with pytest.raises(UnknownMode, match=r"no rule 'uniform' for requests; choose one of adaptive, .*aimd"):
        client_rule("uniform")
    with pytest.raises(UnknownMode, match=r"no length policy 'adaptive'; choose one of heuristic, .*uniform"):
        round_rule("adaptive", Threads())
    with pytest.raises(UnknownMode, match=r"no length policy 'auto:aimd'"):
        round_rule("auto:aimd", Threads())


@pytest.mark.parametrize("name", server_rules())
def test_every_length_policy_works_as_it_is(name):
    rule = round_rule(name, Threads(((2, 2), (1, 1))))
    assert rule.for_text().choose().draft_length in RULES[name].lengths(RULES[name].settings())


@pytest.mark.parametrize("name", client_rules())
def test_every_rule_for_requests_works_as_it_is(name):
    rule, settings = client_rule(name)
    assert rule.in_client(settings, []).choose() in rule.lengths(settings)


@pytest.mark.parametrize("name", RULES)
def test_settings_can_be_written_as_json_and_stay_what_they_are(name):
    rule = RULES[name]
    as_json = settings_as_json(rule, rule.settings())
    assert set(as_json) == {field.name for field in fields(rule.settings)}
