"""Phase plans as people write them."""

from __future__ import annotations

import pytest

from halospec.experiment.phases import LoadWindow, PhasePlanError, parse_phases


def test_a_plan_in_steps_puts_the_load_before_its_first_step_and_off_after_its_last():
    plan = parse_phases("steady:5,load:3,recovery:2")
    assert (plan.steps, plan.seconds, plan.load) == (10, None, LoadWindow(start_step=6, stop_step=9))


def test_a_plan_in_seconds_puts_the_load_on_the_clock():
    plan = parse_phases("steady:20s,load:30s,recovery:10.5s")
    assert (plan.steps, plan.seconds, plan.load) == (None, 60.5, LoadWindow(start_s=20.0, duration_s=30.0))


def test_load_may_come_first_or_be_left_out():
    assert parse_phases("load:2,recovery:1").load == LoadWindow(start_step=1, stop_step=3)
    assert parse_phases("steady:4").load is None
    assert parse_phases("steady:4,load:0").load is None


def test_the_start_and_length_of_the_load_can_be_set_by_hand():
    plan = parse_phases("steady:15").with_load(6, 30.0)
    assert plan.load == LoadWindow(start_step=6, duration_s=30.0)
    assert parse_phases("steady:5,load:5,recovery:5").with_load(None, 3.0).load == LoadWindow(6, duration_s=3.0)
    assert parse_phases("steady:5,load:5,recovery:5").with_load(2, None).load == LoadWindow(2, stop_step=11)


def test_load_without_a_load_phase_is_refused():
    with pytest.raises(PhasePlanError, match="--load needs a load phase"):
        parse_phases("steady:5").with_load(None, None)


def test_a_length_without_a_start_is_refused():
    with pytest.raises(PhasePlanError, match="--load-start"):
        parse_phases("steady:5").with_load(None, 3.0)


def test_a_start_beyond_the_last_step_is_refused():
    with pytest.raises(PhasePlanError, match="step 6 of 5"):
        parse_phases("steady:5").with_load(6, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a phase plan"),
        ("steady", "not a phase"),
        ("steady:five", "not a phase"),
        ("warmup:5", "not a phase"),
        ("steady:-1", "not a phase"),
        ("steady:1.5", "whole"),
        ("steady:5,load:5s", "mixes"),
        ("load:5,steady:5", "in order"),
        ("steady:5,steady:5", "once"),
        ("steady:0", "no requests"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, says):
    with pytest.raises(PhasePlanError, match=says):
        parse_phases(text)
