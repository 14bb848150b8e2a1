"""Trials are the same where everything that defines them is, and runs are paired where prompts and places are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest

import halospec
from halospec.contention.loads import CpuLoad, Load, MemoryLoad
from halospec.controllers.adaptive import AdaptiveSettings
from halospec.controllers.rules import RULES
from halospec.experiment.identity import Subject, pairing_sha256, trial_id
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Design, Pauses, Plan, Sampling, blocked_plan, interleaved_plan
from halospec.workloads.prompts import Prompt

PROMPTS = (Prompt("a", "A?"), Prompt("b", "B?"))
PHASES = parse_phases("steady:2,load:1,recovery:1")
SUBJECT = Subject("smollm2-135m", ("6532799f", "b179c952"), "bundled", "draft_length")


@dataclass(frozen=True)
class OtherAdaptiveSettings(AdaptiveSettings):
    """The settings of a rule that has changed."""

    smoothing: float = 0.5


def plan(*, blocks: int = 2, names: tuple[str, ...] = ("fixed_0", "fixed_2", "adaptive"), phases=PHASES) -> Plan:
    return blocked_plan(names, phases, PROMPTS, blocks=blocks, warmup=2, seed=1)


def turns(*names: str, blocks: int = 2) -> Plan:
    return interleaved_plan(names, PHASES, PROMPTS, blocks=blocks, warmup=2, seed=1)


def ids(of: Plan, subject: Subject = SUBJECT) -> dict[tuple[int, str], str]:
    return {(trial.block, trial.mode): trial_id(of, trial, subject) for trial in of.trials}


CHANGED_PLANS = {
    "prompts": replace(plan(), prompts=(*PROMPTS, Prompt("c", "C?"))),
    "seed": replace(plan(), seed=2),
    "warm-up": replace(plan(), warmup=3),
    "stop": replace(plan(), stop=("</think>",)),
    "sampling": replace(plan(), sampling=Sampling(max_tokens=65)),
    "design": replace(plan(), design=Design.CLASSIC),
    "phases": plan(phases=parse_phases("steady:3,load:1,recovery:1")),
}


def test_every_trial_of_a_plan_has_sixteen_digits_of_its_own():
    found = ids(plan())
    assert len(set(found.values())) == 6
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in found.values())
    assert ids(plan()) == found


@pytest.mark.parametrize(
    "changed",
    [
        *CHANGED_PLANS.values(),
        replace(plan(), pauses=Pauses(after_step_s=1.0)),
        replace(plan(), loads=(Load(CpuLoad(1)),)),
        replace(plan(), loads=(Load(CpuLoad(1, 50.0)),)),
        replace(plan(), loads=(Load(MemoryLoad(4.0)),)),
        replace(plan(), loads=(Load(CpuLoad(1)), Load(MemoryLoad(4.0)))),
    ],
)
def test_what_defines_a_trial_changes_its_identity(changed):
    assert not set(ids(plan()).values()) & set(ids(changed).values())


@pytest.mark.parametrize(
    "subject",
    [
        replace(SUBJECT, model="other"),
        replace(SUBJECT, model_sha256s=()),
        replace(SUBJECT, model_sha256s=SUBJECT.model_sha256s[::-1]),
        replace(SUBJECT, server_kind="openai"),
        replace(SUBJECT, knob="restart"),
    ],
)
def test_so_does_what_is_measured(subject):
    assert not set(ids(plan()).values()) & set(ids(plan(), subject).values())


def test_so_does_the_version_of_halospec(monkeypatch):
    before = ids(plan())
    monkeypatch.setattr(halospec, "__version__", "99.0")
    assert not set(before.values()) & set(ids(plan()).values())


def test_so_does_a_rules_number_but_only_for_the_mode_that_it_is_of(monkeypatch):
    before = ids(plan())
    monkeypatch.setitem(RULES, "adaptive", replace(RULES["adaptive"], settings=OtherAdaptiveSettings))
    after = ids(plan())
    assert {place for place in before if before[place] != after[place]} == {(1, "adaptive"), (2, "adaptive")}


def test_more_blocks_and_other_modes_leave_a_trial_what_it_is():
    longer = ids(plan(blocks=5, names=("fixed_0", "fixed_2", "fixed_7", "adaptive")))
    assert ids(plan()).items() <= longer.items()


def test_modes_that_take_turns_are_part_of_their_trial():
    assert ids(turns("fixed_0", "fixed_2")) != ids(turns("fixed_0", "fixed_3"))
    assert ids(turns("fixed_0", "fixed_2")).items() <= ids(turns("fixed_0", "fixed_2", blocks=3)).items()


def test_runs_of_other_modes_and_lengths_are_paired():
    assert pairing_sha256(plan()) == pairing_sha256(plan(blocks=9, names=("fixed_4",)))
    assert pairing_sha256(turns("fixed_0")) == pairing_sha256(turns("fixed_2", "fixed_3", blocks=1))
    assert re.fullmatch("[0-9a-f]{64}", pairing_sha256(plan()))


def test_pauses_and_load_do_not_decide_who_has_which_prompt():
    assert pairing_sha256(replace(plan(), pauses=Pauses(1.0), loads=(Load(CpuLoad(1)),))) == pairing_sha256(plan())


@pytest.mark.parametrize("changed", CHANGED_PLANS.values(), ids=CHANGED_PLANS)
def test_runs_with_other_prompts_places_or_sampling_are_not_paired(changed):
    assert pairing_sha256(changed) != pairing_sha256(plan())


def test_designs_are_not_paired_with_each_other():
    assert pairing_sha256(turns("fixed_0")) != pairing_sha256(plan(names=("fixed_0",)))
