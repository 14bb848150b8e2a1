"""`benchmarks/control.py`, as far as it goes without a model: simulations, predictions, and what rules cost."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import control
from control_parts import overhead, policies, validating
from control_parts.asking import Asked, LivePlan
from halospec.contention.protocol import ContentionError
from halospec.controllers.modes import mode_named
from halospec.endpoints.types import EndpointError
from halospec.recordings.files import write_recording
from halospec.recordings.visits import QUIET_MACHINE, burning
from halospec.simulate.simulation import simulate
from halospec.simulate.synthetic import SyntheticAcceptance, SyntheticCosts, SyntheticSettings, synthetic_recording
from halospec.simulate.types import Scenario, Segment
from halospec.workloads.prompts import Prompt


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    directory = tmp_path_factory.mktemp("recordings")
    write_recording(synthetic_recording(SyntheticSettings(pair="made-up", rounds=400)), directory / "made-up")
    return directory


def quickly_simulated(recordings, out):
    where = ["--recordings", str(recordings), "--pairs", "made-up", "--out", str(out)]
    control.main(["simulate", "--quick", "--processes", "1", *where])


def test_simulate_prints_tables_and_leaves_numbers_and_charts(recordings, tmp_path, capsys):
    quickly_simulated(recordings, tmp_path)
    shown = capsys.readouterr().out
    assert "made-up: against the best fixed draft length in hindsight" in shown
    assert "`auto:heuristic`" in shown
    assert "usable cores" in shown
    assert "not for other machines" in shown
    assert (tmp_path / "tables.md").read_text("utf-8").strip() == shown.strip()
    (study,) = json.loads((tmp_path / "study.json").read_text("utf-8"))
    assert study["pair"] == "made-up"
    assert study["seeds"] == 2
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_the_same_recording_gives_the_same_numbers(recordings, tmp_path):
    for name in ("once", "again"):
        quickly_simulated(recordings, tmp_path / name)
    once, again = ((tmp_path / name / "study.json").read_bytes() for name in ("once", "again"))
    assert once == again


def test_without_a_recording_one_sentence_says_so(tmp_path):
    with pytest.raises(SystemExit, match=r"control\.py: There is no recording"):
        control.main(["simulate", "--recordings", str(tmp_path), "--out", str(tmp_path)])


def test_every_policy_of_the_study_can_be_written_as_a_mode():
    for spelling in (*policies.ALL, *control.LIVE_MODES, *control.VALIDATED_RULES):
        assert mode_named(spelling).name == spelling


def test_the_rules_compared_and_drawn_are_among_those_studied():
    assert {*policies.CONTENDERS, *policies.OTHERS, *policies.TRACKED} <= set(policies.ALL)


def test_overhead_lists_every_rule_and_names_the_dear_ones():
    found = overhead.measure(("adaptive", "auto:heuristic"), steps=5, repetitions=2, seed=1)
    assert [(one.spelling, one.step) for one in found] == [
        ("no rule", "call"),
        ("adaptive", "request"),
        ("auto:heuristic", "round"),
    ]
    assert [len(one.us) for one in found] == [2, 2, 2]
    assert found[1].rounds > 5
    assert found[2].rounds == 1


def test_a_stop_is_asked_at_every_place_so_that_all_its_work_is_timed():
    class AfterTwo:
        begun = asked = 0

        def begin(self):
            self.begun += 1
            self.asked = 0

        def ends_before(self, place):
            self.asked += 1
            return self.asked > 2

    stop = AfterTwo()
    rounds = overhead.Rounds(seed=1)
    assert [rounds.drafted(stop, number, limit) for number, limit in ((0, 8), (63, 8), (5, 1), (5, 0))] == [2, 2, 1, 0]
    assert stop.begun == 4


FAILURES = [EndpointError("The server went away.", retryable=True), ContentionError("No load.")]


@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_on_the_way_is_one_sentence(monkeypatch, tmp_path, failure):
    def fail(given):
        raise failure

    monkeypatch.setattr(control, "validate", fail)
    with pytest.raises(SystemExit, match=rf"control\.py: {failure}"):
        control.main(["validate", "--out", str(tmp_path)])


def test_a_rule_is_dear_by_the_median_of_its_repetitions():
    cheap = overhead.Overhead("cheap", "round", (1.0, 2.0, 900.0), 1.0)
    dear = overhead.Overhead("dear", "request", (60.0, 70.0, 80.0), 20.0)
    lines = overhead.report((dear, cheap), 10).splitlines()
    assert lines[-1] == "50 us a step or more: `dear`."
    assert "| `cheap` | round | 2.00 | 900.00 | 1.0 | 2.00 |" in lines
    assert "| `dear` | request | 70.00 | 80.00 | 20.0 | 3.50 |" in lines


# ---- predictions -------------------------------------------------------------------------------------------------

TOKENS = 33
EVENLY = SyntheticSettings(
    pair="even",
    rounds=900,
    texts=9,
    tokens=60,
    acceptance=SyntheticAcceptance(easy=0.9, middling=0.8, hard=0.7),
    costs=SyntheticCosts(cv=0.0),
)


def plan_of(recording, modes):
    prompts = tuple(Prompt(text.prompt_id, "…", None) for text in recording.texts[:6])
    return LivePlan(modes, prompts, (QUIET_MACHINE, burning(2)), TOKENS, 8, 1, 1)


def as_measured(recording, plan, mode, seed):
    """Requests as a server with the recording's own costs would have answered them."""
    asked = [(block, prompt.prompt_id) for block in range(len(plan.conditions)) for prompt in plan.prompts]
    segments = tuple(Segment(TOKENS - 1, plan.conditions[block].name, None, prompt) for block, prompt in asked)
    found = simulate(recording, Scenario("live", "", TOKENS - 1, segments), mode, seed)
    return [
        Asked(mode, block, prompt, ms, ms * 1.02, TOKENS - 1)
        for (block, prompt), ms in zip(asked, found.decode_ms, strict=True)
    ]


@pytest.mark.parametrize("k", validating.HELD_OUT)
def test_costs_that_grow_evenly_are_predicted_exactly_for_held_out_draft_lengths(k):
    """Costs without noise, straight in k: leaving k out and interpolating changes nothing."""
    recording = synthetic_recording(EVENLY)
    mode = f"fixed_{k}"
    plan = plan_of(recording, (mode,))
    measured = as_measured(recording, plan, mode, seed=1)
    fitted = replace(recording, rounds=validating.without(recording.rounds, validating.HELD_OUT))
    predicted = validating.predicted(fitted, plan, mode, measured, seeds=(5,))
    assert predicted.tolist() == pytest.approx([one.by_rounds_ms for one in measured], rel=1e-4)


def test_held_out_rounds_are_gone_and_the_others_stay_in_order():
    rounds = synthetic_recording(EVENLY).rounds
    left = validating.without(rounds, (3, 5))
    assert set(left.k.tolist()) == {0, 1, 2, 4, 6, 7, 8}
    kept = ~np.isin(rounds.k, (3, 5))
    assert left.verify_us.tolist() == rounds.verify_us[kept].tolist()
    assert left.conditions == rounds.conditions


def test_a_ratio_of_sums_weighs_prompts_by_their_time():
    """110 + 400 over 100 + 300: the mean of the ratios would be 1.217."""
    error, low, high = validating.ratio_of_sums(np.array([110.0, 400.0]), np.array([100.0, 300.0]))
    assert error == pytest.approx(100 * (510 / 400 - 1))
    assert low < error < high


def test_a_ratio_that_is_the_same_for_all_prompts_is_known_exactly():
    below = np.array([100.0, 300.0, 50.0])
    assert validating.ratio_of_sums(1.1 * below, below) == pytest.approx((10.0, 10.0, 10.0))


def test_the_interval_agrees_with_the_delta_method_for_small_scatter():
    chance = np.random.default_rng(3)
    below = chance.uniform(90, 110, 40)
    above = below * np.exp(chance.normal(0.05, 0.02, 40))
    error, low, high = validating.ratio_of_sums(above, below)
    half = (math.log1p(high / 100) - math.log1p(low / 100)) / 2
    assert half == pytest.approx(2.0227 * 0.02 / math.sqrt(40), rel=0.3)
    assert error == pytest.approx(5.1, abs=1.5)


def test_one_prompt_has_no_interval():
    assert validating.ratio_of_sums(np.array([2.0]), np.array([1.0])) == (pytest.approx(100), None, None)


def test_prompts_are_those_with_a_text_long_enough_spread_over_the_set():
    recording = synthetic_recording(EVENLY)
    prompts = [Prompt("unknown", "…", None), *(Prompt(text.prompt_id, "…", None) for text in recording.texts)]
    chosen = validating.usable_prompts(recording, prompts, 60, 3)
    assert [prompt.prompt_id for prompt in chosen] == [recording.texts[place].prompt_id for place in (0, 4, 8)]
    with pytest.raises(ValueError, match="No traced text"):
        validating.usable_prompts(recording, prompts, 61, 3)


def test_the_report_names_the_largest_error_at_a_held_out_length():
    plan = plan_of(synthetic_recording(EVENLY), ("fixed_2", "fixed_3"))
    agreements = (
        validating.Agreement("fixed_2", "quiet", 11.0, 10.0, 10.0, 8.0, 12.0),
        validating.Agreement("fixed_3", "quiet", 10.2, 10.0, 2.0, 1.0, 3.0),
        validating.Agreement("fixed_3", "cpu:2", 19.2, 20.0, -4.0, None, None),
    )
    text = validating.report(validating.Validation(agreements, {"quiet": 1.0}, 1.5, 700), plan)
    assert "| `fixed_3` (held out) | quiet | 10.20 | 10.00 | +2.0 | [+1.0, +3.0] |" in text
    assert "−4.0 % (`fixed_3`, cpu:2), within 5 %" in text
    assert "quiet: 1.00" in text
