"""Names and what they stand for."""

from __future__ import annotations

import json

import pytest

from halospec.controllers.modes import UnknownMode, mode_named
from halospec.controllers.protocol import Outcome


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


def test_two_trials_of_a_mode_share_nothing():
    mode = mode_named("adaptive")
    first, second = mode.start([]), mode.start([])
    first.update(Outcome(4, success=True, latency_ms=1.0))
    assert (first.choose(), second.choose()) == (5, 4)


@pytest.mark.parametrize("name", ["", "fixed", "fixed_", "fixed_17", "fixed_04", "fixed_-1", "FIXED_1", "fixed_³"])
def test_other_names_are_refused_with_those_that_exist(name):
    with pytest.raises(UnknownMode, match=r"fixed_0 to fixed_16 and adaptive"):
        mode_named(name)


def test_a_modes_settings_are_its_rules_numbers_and_can_be_written_down():
    assert mode_named("fixed_3").settings == {"draft_length": 3}
    adaptive = json.loads(json.dumps(mode_named("adaptive").settings))
    assert (adaptive["start_length"], adaptive["smoothing"]) == (4, 0.4)
    assert adaptive["calibration"]["fallback"] == {"low_ms": 9000, "high_ms": 22000}
