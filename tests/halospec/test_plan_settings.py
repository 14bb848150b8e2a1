"""What may be asked of a plan, and what it becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from halospec.contention.loads import CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.cores import available_cores
from halospec.experiment.phases import LoadWindow, PhasePlanError
from halospec.experiment.plan import Design, Pauses, Sampling, classic_plan
from halospec.plan_settings import DEFAULT_MODES, FIXED_MODES, PlanSettings
from halospec.workloads.prompts import shipped_prompts


def settings(**changes: object) -> PlanSettings:
    return PlanSettings.model_validate(changes)


def test_by_default_every_fixed_k_and_adaptive_run_without_load():
    plan = settings().plan()
    assert sorted(plan.modes) == sorted(DEFAULT_MODES)
    assert {trial.phases.steps for trial in plan.trials} == {15}
    assert {trial.phases.load for trial in plan.trials} == {None}
    assert (plan.design, plan.blocks, plan.warmup, plan.seed, plan.loads) == (Design.BLOCKED, 1, 5, 1, ())
    assert plan.prompts == shipped_prompts()


def test_only_fixed_modes_take_turns_by_default():
    plan = settings(design="interleaved", blocks=2).plan()
    assert plan.design is Design.INTERLEAVED
    assert [trial.together for trial in plan.trials] == [FIXED_MODES] * 2


def test_everything_that_a_request_is_sent_with_is_in_the_plan():
    plan = settings(
        max_tokens=9, temperature=0.5, ignore_eos=True, cool_down_s=3.0, preload=4, seed=8, warmup=1, modes=("fixed_3",)
    ).plan()
    assert plan.sampling == Sampling(9, 0.5, ignore_eos=True)
    assert plan.pauses == Pauses(between_trials_s=3.0)
    assert (plan.preload, plan.seed, plan.warmup, plan.modes) == (4, 8, 1, ("fixed_3",))


def test_load_gives_every_mode_the_same_window_and_every_core_a_burner():
    plan = settings(load={"enabled": True}).plan()
    assert {trial.phases.load for trial in plan.trials} == {LoadWindow(start_step=6, stop_step=11)}
    assert plan.loads == (Load(CpuLoad(available_cores(), 100.0)),)


def test_what_is_injected_is_the_load():
    plan = settings(load={"inject": ("memory:4GB/s", "disk:50MB/s", "process:stress-ng --vm 1")}).plan()
    assert {trial.phases.load for trial in plan.trials} == {LoadWindow(start_step=6, stop_step=11)}
    assert plan.loads == (Load(MemoryLoad(4.0)), Load(DiskLoad(50.0)), Load(ProcessLoad(("stress-ng", "--vm", "1"))))


def test_with_load_it_comes_beside_the_default_one():
    plan = settings(load={"enabled": True, "workers": 1, "inject": ("memory:4GB/s",)}).plan()
    assert plan.loads == (Load(CpuLoad(1)), Load(MemoryLoad(4.0)))
    alone = settings(load={"enabled": False, "inject": ("memory:4GB/s",)}).plan()
    assert alone.loads == (Load(MemoryLoad(4.0)),)


def test_what_is_injected_is_kept_in_its_own_words_and_the_values_of_a_file_with_it(tmp_path):
    course = tmp_path / "course.csv"
    course.write_text("seconds,percent\n0,0\n2.5,80\n")
    asked = settings(load={"inject": ("cpu:75%", f"memory:4GB/s@profile=replay,file={course}")})
    course.unlink()
    again = PlanSettings.model_validate_json(asked.model_dump_json())
    assert again == asked
    assert again.plan().loads == asked.loads()
    assert asked.loads()[0] == Load(CpuLoad(available_cores(), 75.0))
    assert asked.loads()[1].profile.level(3.0) == 0.8


def test_an_injected_load_needs_a_load_phase_as_every_load_does():
    with pytest.raises(PhasePlanError, match="needs a load phase, and so does --inject"):
        settings(phases="steady:5", load={"inject": ("memory:4GB/s",)}).plan()


def test_the_same_load_is_not_put_on_twice():
    with pytest.raises(ValueError, match=r"--load .* asks for cpu:100%\S* already"):
        settings(load={"enabled": True, "inject": (f"cpu:{available_cores()}",)}).plan()


def test_load_start_and_seconds_move_the_window():
    plan = settings(load={"enabled": True, "start_step": 2, "seconds": 3.0, "workers": 1, "percent": 50}).plan()
    assert {trial.phases.load for trial in plan.trials} == {LoadWindow(start_step=2, duration_s=3.0)}
    assert plan.loads == (Load(CpuLoad(1, 50.0)),)


def test_classic_is_the_classic_plan_with_one_burner_and_load_unless_refused():
    assert settings(preset="classic").plan() == replace(classic_plan(load=True, warmup=5), loads=(Load(CpuLoad(1)),))
    assert settings(preset="classic", load={"enabled": False}).plan() == classic_plan(load=False, warmup=5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"modes": ()}, "name at least one mode"),
        ({"modes": ("fixed_1", "fixed_1")}, "fixed_1 is named twice; use --blocks"),
        ({"design": "classic"}, "--preset classic"),
        ({"design": "random"}, "blocked"),
        ({"blocks": 0}, "greater than or equal to 1"),
        ({"seed": 2**31}, "less than"),
        ({"max_tokens": 0}, "greater"),
        ({"temperature": -0.1}, "greater"),
        ({"cool_down_s": float("nan")}, "finite"),
        ({"preload": -1}, "greater"),
        ({"load": {"percent": 0}}, "greater"),
        ({"load": {"start_step": 2, "seconds": 3.0}}, "need --load or --inject"),
        ({"load": {"workers": 1, "inject": ("memory:4GB/s",)}}, "need --load; an --inject says such things itself"),
        ({"load": {"inject": ("gravity:9.81",)}}, "gravity"),
        ({"load": {"inject": ("memory:4GB/s", "memory:4000MB/s")}}, "asked for twice"),
        ({"preset": "classic", "load": {"inject": ("memory:4GB/s",)}}, "decides what --inject would"),
        ({"load": {"workers": 1}}, "need --load"),
        ({"preset": "classic", "phases": "steady:5"}, "decides what --phases would"),
        ({"preset": "classic", "design": "blocked"}, "decides what --design would"),
        ({"preset": "classic", "cool_down_s": 1.0}, "decides what --cool-down would"),
        ({"preset": "classic", "preload": 1}, "decides what --preload would"),
        ({"preset": "classic", "load": {"start_step": 3}}, "decides what --load-start would"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        settings(**wrong)


def test_a_load_beyond_the_last_step_is_refused_and_one_beyond_this_machine_is_not():
    with pytest.raises(PhasePlanError):
        settings(load={"enabled": True, "start_step": 99}).plan()
    of_a_larger_machine = 100 * available_cores()
    plan = settings(load={"enabled": True, "workers": of_a_larger_machine}).plan()
    assert plan.loads == (Load(CpuLoad(of_a_larger_machine)),)
