"""What may be asked of a run, and what it becomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from halospec.config import RunSettings, debug_json_wanted
from halospec.contention.loads import CpuLoad, Load
from halospec.cores import available_cores
from halospec.experiment.phases import LoadWindow, PhasePlanError
from halospec.experiment.plan import classic_plan
from halospec.experiment.plan_file import write_plan
from halospec.plan_settings import DEFAULT_MODES, LoadSettings, PlanSettings


def settings(**changes: object) -> RunSettings:
    return RunSettings.model_validate({"url": "http://127.0.0.1:1", "out": Path("runs/x"), **changes})


def test_by_default_every_fixed_k_and_adaptive_run_without_load():
    plan = settings().plan()
    assert sorted(trial.mode for trial in plan.trials) == sorted(DEFAULT_MODES)
    assert {trial.phases.steps for trial in plan.trials} == {15}
    assert {trial.phases.load for trial in plan.trials} == {None}
    assert plan.warmup == 5
    assert len(plan.prompts) == 30


def test_load_gives_every_mode_the_same_window():
    plan = settings(load=LoadSettings(enabled=True)).plan()
    assert {trial.phases.load for trial in plan.trials} == {LoadWindow(start_step=6, stop_step=11)}


def test_load_start_and_seconds_move_the_window():
    plan = settings(load=LoadSettings(enabled=True, start_step=2, seconds=3.0)).plan()
    assert {trial.phases.load for trial in plan.trials} == {LoadWindow(start_step=2, duration_s=3.0)}


def test_the_burners_default_to_every_core_at_full_share():
    cpu = settings(load=LoadSettings(enabled=True)).cpu_load()
    assert (cpu.workers, cpu.percent) == (available_cores(), 100.0)


def test_classic_is_the_classic_plan_with_one_burner_and_load_unless_refused():
    one_burner = CpuLoad(workers=1)
    assert settings(preset="classic").plan() == replace(classic_plan(load=True, warmup=5), loads=(Load(one_burner),))
    assert settings(preset="classic").cpu_load().workers == 1
    refused = settings(preset="classic", load=LoadSettings(enabled=False))
    assert refused.plan() == classic_plan(load=False, warmup=5)


def test_the_key_is_kept_out_of_what_is_written_down():
    with_key = settings(api_key="secret-key")
    assert "secret-key" not in with_key.model_dump_json() + repr(with_key)
    assert with_key.api_key is not None
    assert with_key.api_key.get_secret_value() == "secret-key"


@pytest.mark.parametrize(
    "wrong",
    [
        {"modes": ()},
        {"modes": ("fixed_1", "fixed_1")},
        {"blocks": 0},
        {"max_tokens": 0},
        {"timeout_s": 0},
        {"temperature": -0.1},
        {"load": {"percent": 0}},
        {"load": {"workers": 0}},
        {"load": {"start_step": 2, "seconds": 3.0}},
        {"load": {"workers": 1}},
        {"preset": "classic", "phases": "steady:5"},
        {"preset": "classic", "load": {"start_step": 3}},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)


@pytest.mark.parametrize(
    "load",
    [{"enabled": True, "workers": 1000 * available_cores()}, {"inject": ("memory:4GB/s@buffer=900000GB",)}],
    ids=["workers", "memory"],
)
def test_a_load_that_this_machine_cannot_have_is_refused_before_the_run_begins(tmp_path, load):
    too_much = settings(load=load)
    with pytest.raises(ValueError, match=r"\.$"):
        too_much.plan()
    write_plan(PlanSettings(load=too_much.load).plan(), tmp_path / "plan.json")
    with pytest.raises(ValueError, match=r"\.$"):
        settings(plan_file=tmp_path / "plan.json").plan()


def test_a_plan_file_says_what_is_injected(tmp_path):
    write_plan(PlanSettings(load=LoadSettings(inject=("memory:4GB/s",))).plan(), tmp_path / "plan.json")
    with pytest.raises(ValidationError, match="--plan holds what --inject would say"):
        settings(plan_file=tmp_path / "plan.json", load={"inject": ("memory:4GB/s",)})


def test_a_load_beyond_the_last_step_is_refused():
    with pytest.raises(PhasePlanError):
        settings(load=LoadSettings(enabled=True, start_step=99)).plan()


@pytest.mark.parametrize(("value", "wanted"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_debug_logging_follows_the_environment(monkeypatch, value, wanted):
    monkeypatch.setenv("HALOSPEC_DEBUG_JSON", value)
    assert debug_json_wanted() is wanted


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"reference": "fixed_9"}, "none of the modes that run"),
        ({"slo": ("auto",), "warmup": 0}, "this plan has no warm-up"),
        ({"slo": ("auto", "e2e_ms=9"), "modes": ("fixed_1", "fixed_2")}, r"no fixed_0 \(but fixed_1, fixed_2\)"),
        ({"slo": ("auto",), "preset": "classic"}, "this plan has no fixed_0"),
        ({"precision": 0.03, "max_minutes": 1.0, "modes": ("fixed_1",)}, "only fixed_1 runs"),
        ({"precision": 0.03, "max_minutes": 1.0, "precision_phases": ("recovery",)}, "has no load; add --load"),
    ],
)
def test_what_a_plan_cannot_be_judged_by_is_refused_before_it_runs(asked, sentence):
    with pytest.raises(ValueError, match=sentence):
        settings(**asked).plan()


def test_what_it_can_be_judged_by_is_not():
    judged = {"slo": ("auto",), "reference": "fixed_2", "precision": 0.03, "max_minutes": 1.0}
    plan = settings(**judged, precision_phases=("steady", "load"), load=LoadSettings(enabled=True)).plan()
    assert plan.blocks == 8


def test_the_original_s_design_has_no_precision_even_from_a_file(tmp_path):
    write_plan(classic_plan(load=False, warmup=5), tmp_path / "plan.json")
    with pytest.raises(ValueError, match="supports no comparison"):
        settings(plan_file=tmp_path / "plan.json", precision=0.03, max_minutes=1.0).plan()


@pytest.mark.parametrize("phase", ["warmup", "lunch"])
def test_precision_is_asked_for_in_measured_phases(phase):
    with pytest.raises(ValidationError, match="none of the phases steady, load, recovery"):
        settings(precision=0.03, max_minutes=1.0, precision_phases=(phase,))
