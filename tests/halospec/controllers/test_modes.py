"""Names and what they stand for."""

from __future__ import annotations

import json

import pytest

from halospec.controllers.modes import UnknownMode, mode_named
from halospec.controllers.protocol import Outcome
from halospec.controllers.rules import client_rules, server_rules


@pytest.mark.parametrize("k", [0, 1, 8, 16])
def test_a_fixed_mode_warms_up_and_runs_at_its_own_k(k):
    mode = mode_named(f"fixed_{k}")
    rule = mode.start([])
    rule.update(Outcome(k, success=False, latency_ms=1.0))
    assert (mode.name, mode.warmup_length, rule.choose()) == (f"fixed_{k}", k, k)


def test_adaptive_warms_up_at_four_and_calibrates_on_successes_alone():
    mode = mode_named("adaptive")
    warmup = [Outcome(4, success=True, latency_ms=100.0), Outcome(4, success=False, latency_ms=90_000.0)]
    rule = mode.start(warmup)
    assert mode.warmup_length == rule.choose() == 4
    # Thresholds 85 and 105 from the one success: 106 ms is slow.
    rule.update(Outcome(4, success=True, latency_ms=106.0))
    assert rule.choose() == 2


@pytest.mark.parametrize(("alpha", "then"), [("0.1", 5), ("1", 2)])
def test_its_alpha_is_a_setting(alpha, then):
    rule = mode_named(f"adaptive@smoothing={alpha}@climb_until=1").start([Outcome(4, success=True, latency_ms=100.0)])
    rule.update(Outcome(4, success=True, latency_ms=80.0))
    # 5; then 0.1·120 + 0.9·80 = 84 < 85, or 120 > 105: from 5 down to 3
    rule.update(Outcome(5, success=True, latency_ms=120.0))
    assert rule.choose() == then + 1


def test_two_trials_of_a_mode_share_nothing():
    mode = mode_named("adaptive")
    first, second = mode.start([]), mode.start([])
    first.update(Outcome(4, success=True, latency_ms=1.0))
    assert (first.choose(), second.choose()) == (5, 4)


@pytest.mark.parametrize("name", client_rules())
def test_every_rule_of_requests_is_a_mode(name):
    mode = mode_named(name)
    assert (mode.name, mode.in_server, dict(mode.fields)) == (name, False, {})
    assert mode.warmup_length in mode.lengths
    assert mode.start([]).choose() in mode.lengths


@pytest.mark.parametrize("name", server_rules())
def test_every_rule_of_rounds_is_a_mode_that_leaves_k_to_the_server(name):
    mode = mode_named(f"auto:{name}")
    chooser = mode.start([])
    chooser.update(Outcome(4, success=True, latency_ms=1.0))
    assert (mode.name, mode.in_server, mode.warmup_length, chooser.choose()) == (f"auto:{name}", True, None, None)
    assert dict(mode.fields) == {"draft_length": "auto", "length_policy": name}


def test_what_a_rule_may_choose_follows_from_its_settings():
    assert mode_named("fixed_3").lengths == {3}
    assert mode_named("adaptive@max_length=5").lengths == {1, 2, 3, 4, 5}
    assert mode_named("auto:uniform@min_length=6").lengths == {6, 7, 8}
    assert mode_named("ema_accept").lengths == {1, 3, 5, 7}
    assert mode_named("auto:fixed@draft_length=2").lengths == {2}


def test_threads_become_fields_of_the_request_and_are_not_the_rules():
    assert dict(mode_named("fixed_4@threads=1").fields) == {"threads": 1}
    assert mode_named("fixed_4@threads=1").settings == mode_named("fixed_4").settings
    assert dict(mode_named("adaptive@draft_threads=2@smoothing=0.2@threads=512").fields) == {
        "threads": 512,
        "draft_threads": 2,
    }
    assert dict(mode_named("auto:heuristic@threads=2@max_length=6").fields) == {
        "draft_length": "auto",
        "length_policy": "heuristic@max_length=6",
        "threads": 2,
    }


@pytest.mark.parametrize("threads", ["0", "513", "-1", "all", "1.5"])
def test_threads_are_whole_numbers_from_1_to_512(threads):
    with pytest.raises(UnknownMode, match="threads must be a whole number from 1 to 512"):
        mode_named(f"fixed_4@threads={threads}")


NAMES = [
    "",
    "fixed_",
    "fixed_17",
    "fixed_04",
    "fixed_-1",
    "FIXED_1",
    "fixed_³",
    "auto:",
    "auto:nope",
    "AUTO:aimd",
]


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_refused_with_those_that_exist(name):
    with pytest.raises(UnknownMode, match=r"fixed_0 to fixed_16, adaptive, .*aimd.* auto:heuristic, .*auto:uniform"):
        mode_named(name)


def test_a_rule_on_the_wrong_side_is_refused_with_the_spelling_of_the_right_one():
    with pytest.raises(UnknownMode, match=r"inside the bundled server alone; write auto:uniform@seed=3\."):
        mode_named("uniform@seed=3")
    with pytest.raises(UnknownMode, match=r"in the client alone; write adaptive@smoothing=0\.2\."):
        mode_named("auto:adaptive@smoothing=0.2")
    with pytest.raises(UnknownMode, match=r"inside the bundled server alone; write auto:fixed\."):
        mode_named("fixed")


def test_a_fixed_mode_has_no_settings():
    with pytest.raises(UnknownMode, match="fixed_4 has no setting 'max_length'"):
        mode_named("fixed_4@max_length=3")


def test_a_modes_settings_are_its_rules_numbers_and_can_be_written_down():
    assert mode_named("fixed_3").settings == {"draft_length": 3}
    assert json.loads(json.dumps(mode_named("adaptive").settings)) == {
        "start_length": 4,
        "min_length": 1,
        "max_length": 8,
        "smoothing": 0.4,
        "step_up": 1,
        "step_down": 2,
        "climb_until": 6,
        "length_after_failure": 1,
        "calibration": {
            "low_percentile": 50,
            "low_factor": 0.85,
            "high_percentile": 95,
            "high_factor": 1.05,
            "fallback": {"low_ms": 9000, "high_ms": 22000},
        },
    }
    assert mode_named("ema_accept").settings["candidate_steps"] == [1, 3, 5, 7]
    assert mode_named("auto:aimd@increase=2").settings["increase"] == 2


def test_a_rule_that_chooses_threads_does_so_inside_the_server_alone():
    assert mode_named("auto:cost_model@joint=true").fields["length_policy"] == "cost_model@joint=true"
    with pytest.raises(UnknownMode, match=r"inside the bundled server alone; write auto:cost_model@joint=true\."):
        mode_named("cost_model@joint=true")


def test_threads_are_either_named_or_chosen():
    with pytest.raises(UnknownMode, match="leave out joint or threads and draft_threads"):
        mode_named("auto:cost_model@joint=true@threads=1@draft_threads=1")
    assert dict(mode_named("auto:cost_model@joint=false@threads=1").fields)["threads"] == 1
