"""Plans on disk: what is written is read back exactly, and what could not be run is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halospec.contention.loads import CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.cores import available_cores
from halospec.experiment.phases import PhasePlan, PhasePlanError, parse_phases
from halospec.experiment.plan import Pauses, Plan, Sampling, blocked_plan, classic_plan, interleaved_plan
from halospec.experiment.plan_file import read_plan, write_plan
from halospec.records.store import StoreError
from halospec.workloads.prompts import Prompt

LOADS = (Load(CpuLoad(workers=1, percent=50.0)), Load(MemoryLoad(4.0)))
PHASES = parse_phases("steady:2,load:1,recovery:1")
PROMPTS = (Prompt("a", "A?", "code"), Prompt("b", "B?"))
MODES = ("fixed_0", "fixed_2", "adaptive")


def blocked() -> Plan:
    return replace(blocked_plan(MODES, PHASES, PROMPTS, blocks=3, warmup=2, seed=7), loads=LOADS)


def interleaved() -> Plan:
    return replace(interleaved_plan(MODES[:2], PHASES, PROMPTS, blocks=3, warmup=2, seed=7), loads=LOADS)


rests = st.floats(0, 1e6)
shapes = st.one_of(
    st.builds("steady:{},load:{},recovery:{}".format, *[st.integers(1, 40)] * 3),
    st.builds("steady:{}s,load:{}s".format, *[st.floats(0.1, 500).map(lambda x: round(x, 2))] * 2),
    st.just("steady:3"),
)


amounts = st.floats(0.001, 1e6)
loads = st.one_of(
    st.builds(CpuLoad, st.integers(1, 999), st.floats(0.1, 100), niceness=st.integers(-20, 19)),
    st.builds(MemoryLoad, amounts, st.integers(1, 99), st.none() | amounts),
    st.builds(CacheLoad, amounts, st.integers(1, 99), st.none() | amounts),
    st.builds(DiskLoad, amounts, amounts, st.none() | st.just(Path("some where"))),
    st.just(ProcessLoad(("stress-ng", "--vm", "1", "a b"))),
).map(Load)


@st.composite
def phase_plans(draw: Callable[..., Any]) -> PhasePlan:
    phases = parse_phases(draw(shapes))
    try:
        return phases.with_load(draw(st.none() | st.integers(1, 9)), draw(st.none() | st.floats(0.01, 99)))
    except PhasePlanError:
        return phases


@st.composite
def plans(draw: Callable[..., Any]) -> Plan:
    texts = draw(st.lists(st.text(min_size=1).filter(lambda text: text.strip()), min_size=1, max_size=4))
    prompts = [Prompt(f"id {n}", text, draw(st.none() | st.text(max_size=5))) for n, text in enumerate(texts)]
    make = draw(st.sampled_from((blocked_plan, interleaved_plan)))
    modes = draw(st.lists(st.sampled_from([f"fixed_{k}" for k in range(17)]), min_size=1, max_size=5, unique=True))
    if make is blocked_plan and draw(st.booleans()):
        modes.append("adaptive")
    plan = make(
        modes,
        draw(phase_plans()),
        prompts,
        blocks=draw(st.integers(1, 4)),
        warmup=draw(st.integers(0, 9)),
        seed=draw(st.integers(0, 2**31 - 1)),
    )
    return replace(
        plan,
        stop=tuple(draw(st.lists(st.text(), max_size=2))),
        pauses=Pauses(draw(rests), draw(rests), draw(rests)),
        sampling=Sampling(draw(st.integers(1, 9999)), draw(st.floats(0, 2)), draw(st.booleans())),
        preload=draw(st.integers(0, 99)),
        loads=tuple(draw(st.lists(loads, min_size=1, max_size=3, unique=True))),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(plans())
def test_a_plan_comes_back_exactly_as_it_was_written(tmp_path, plan):
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("plan", [blocked(), interleaved(), classic_plan(load=False, warmup=5)])
def test_a_plan_read_back_can_be_continued(tmp_path, plan):
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json").with_blocks(5) == plan.with_blocks(5)


def test_the_originals_plan_with_its_load_can_be_kept_too(tmp_path):
    plan = replace(classic_plan(load=True, warmup=5), loads=LOADS)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_a_plan_for_a_larger_machine_can_be_made_and_read_here(tmp_path):
    loads = (Load(CpuLoad(workers=100 * available_cores())), Load(MemoryLoad(4.0, buffer_mb=1e9)))
    plan = replace(blocked(), loads=loads)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def as_version_1(path: Path, load: object) -> None:
    """Write a plan as the version before this one had it."""
    content = json.loads(path.read_text("utf-8"))
    del content["loads"]
    path.write_text(json.dumps(content | {"halospec_plan": 1, "load": load}), "utf-8")


@pytest.mark.parametrize(
    ("load", "read"), [({"workers": 2, "percent": 50.0}, (Load(CpuLoad(workers=2, percent=50.0)),)), (None, ())]
)
def test_a_plan_of_version_1_had_burners_or_nothing(tmp_path, load, read):
    path = tmp_path / "plan.json"
    plan = blocked() if load else blocked_plan(MODES, PHASES.without_load(), PROMPTS, blocks=3, warmup=2, seed=7)
    write_plan(plan, path)
    as_version_1(path, load)
    assert read_plan(path) == replace(plan, loads=read)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"workers": 2, "percent": 101.0}, "load: The load percent must be above 0"),
        ({"workers": 0, "percent": 50.0}, "load: CPU load needs at least 1 worker"),
        ({"workers": 2}, "load.percent"),
        (None, "does not say what load"),
    ],
)
def test_what_version_1_could_not_run_is_refused_too(tmp_path, load, said):
    path = tmp_path / "plan.json"
    write_plan(blocked(), path)
    as_version_1(path, load)
    with pytest.raises(StoreError, match=said):
        read_plan(path)


def refusal(tmp_path: Path, change: Callable[[Any], object], plan: Plan | None = None) -> str:
    """Return what is said of a plan file that was changed by hand."""
    path = tmp_path / "plan.json"
    write_plan(plan or blocked(), path)
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(StoreError) as caught:
        read_plan(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert message.endswith(".")
    return message


def without_block(number: int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        content["trials"] = [trial for trial in content["trials"] if trial["block"] != number]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("halospec_plan"), "no version"),
        (lambda c: c.update(halospec_plan=True), "no version"),
        (lambda c: c.update(halospec_plan=99), "version 99.*knows versions up to 2"),
        (lambda c: c.pop("seed"), "seed: Field required"),
        (lambda c: c.update(speed="fast"), "speed: Extra inputs"),
        (lambda c: c.update(design="random"), "design:"),
        (lambda c: c.update(seed=-1), "seed:"),
        (lambda c: c.update(warmup="5"), "warmup:"),
        (lambda c: c.update(trials=[]), "trials:"),
        (lambda c: c["trials"][4].update(mode="magic"), r"trials.4: There is no mode 'magic'"),
        (lambda c: c["trials"][4].update(mode=c["trials"][3]["mode"]), "a mode comes twice in block 2"),
        (lambda c: c["trials"].pop(4), "block 2 does not hold the same trials as block 1"),
        (lambda c: c["trials"].reverse(), "do not stand in order"),
        (without_block(2), "block 2 of 3 is missing"),
        (without_block(1), "block 1 of 3 is missing"),
        (lambda c: c["trials"][0].update(together=["fixed_0"]), "trials.0: a trial in which modes take turns"),
        (lambda c: c.update(design="interleaved"), "not those of the design interleaved"),
        (lambda c: c["trials"][0]["phases"].update(steps=0), "trials.0.phases.steps"),
        (lambda c: c["trials"][0]["phases"].update(seconds=3.0), "either a number of steps or a time"),
        (lambda c: c["trials"][0]["phases"].update(steps=5), "block 2 does not hold the same trials"),
        (lambda c: c["trials"][0]["phases"]["load"].update(start_s=1.0), "either at a step or at a time"),
        (lambda c: c["trials"][0]["phases"]["load"].update(stop_step=3), "stops after the step"),
        (
            lambda c: c["trials"][0]["phases"]["load"].update(start_step=9, stop_step=None),
            "cannot start at step 9 of 4",
        ),
        (lambda c: c.update(loads=[]), "has load phases, but does not say what load"),
        (lambda c: c.update(loads=["cpu:101%"]), "loads: .*percent must be above 0"),
        (lambda c: c.update(loads=["gravity:9.81"]), "loads: .*gravity"),
        (lambda c: c.update(loads=["memory:4GB/s"] * 2), r"loads: The load memory:4GB/s\S* is asked for twice"),
        (lambda c: c.update(loads="cpu:2"), "loads: .*array"),
        (lambda c: c.update(load=None), "load: Extra inputs"),
        (lambda c: c["pauses"].update(after_step_s=-1), "pauses.after_step_s"),
        (lambda c: c["pauses"].update(after_step_s=float("nan")), "pauses.after_step_s"),
        (lambda c: c["sampling"].update(temperature=3), "sampling.temperature"),
        (lambda c: c.update(prompts=[]), "prompts:"),
        (lambda c: c["prompts"][1].update(prompt_id="a"), "two prompts have the same id"),
        (lambda c: c["prompts"][1].update(text="  "), "prompts.1.text"),
    ],
)
def test_what_could_not_be_run_is_refused_with_the_place(tmp_path, change, said):
    message = refusal(tmp_path, change)
    assert re.search(said, message), message


def test_a_controller_among_modes_that_take_turns_is_refused(tmp_path):
    def change(content: Any) -> None:
        content["trials"][1]["together"][0] = "adaptive"

    assert "adaptive may learn" in refusal(tmp_path, change, interleaved())


def test_modes_that_differ_in_their_phases_are_refused(tmp_path):
    def change(content: Any) -> None:
        for trial in content["trials"]:
            if trial["mode"] == "fixed_2":
                trial["phases"]["load"] = None

    assert "cannot be compared" in refusal(tmp_path, change)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_plan_at_all_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not a plan"):
        read_plan(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(StoreError, match="does not exist; `halospec plan"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(StoreError, match="Cannot read"):
        read_plan(tmp_path)


def test_a_plan_that_contradicts_itself_is_not_written(tmp_path):
    with pytest.raises(StoreError, match="does not say what load"):
        write_plan(replace(blocked(), loads=()), tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()
