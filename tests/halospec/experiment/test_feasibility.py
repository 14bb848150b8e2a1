"""Which modes a knob can carry out."""

from __future__ import annotations

import pytest

from halospec.experiment.feasibility import (
    PlanRefused,
    feasible_part,
    lengths_of,
    require_feasible,
    require_server_for,
    telling_lengths,
)
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Plan, blocked_plan, interleaved_plan
from halospec.records.probe import Basis, KnobReport, LengthEvidence, Verdict
from halospec.workloads.prompts import Prompt
from stand_in_knobs import StandInKnob, aliases, restarting


def plan(*modes: str) -> Plan:
    return blocked_plan(modes, parse_phases("steady:1"), [Prompt("a", "A?")], blocks=2, warmup=0, seed=1)


def taking_turns(*modes: str) -> Plan:
    return interleaved_plan(modes, parse_phases("steady:1"), [Prompt("a", "A?")], blocks=2, warmup=0, seed=1)


def probed(answered: dict[int, int], *, canaries: int = 3) -> KnobReport:
    by_length = tuple(
        LengthEvidence(draft_length=k, canaries=canaries, failures=canaries - count) for k, count in answered.items()
    )
    return KnobReport(
        knob="draft_length", kind="request_field", per_request=True, verdict=Verdict.OBEYED, basis=Basis.COUNTS,
        reason="Drafts follow k.", by_length=by_length,
    )  # fmt: skip


def test_a_knob_that_works_per_request_carries_out_everything():
    require_feasible(plan("fixed_0", "fixed_16", "adaptive"), StandInKnob())


def test_a_controller_that_changes_k_is_refused_where_that_means_to_start_the_server_anew():
    with pytest.raises(PlanRefused, match=r"adaptive chooses k anew for each request.*restart.*aliases create"):
        require_feasible(plan("fixed_0", "adaptive"), restarting())
    require_feasible(plan("fixed_0", "fixed_3"), restarting())


def test_modes_that_need_an_alias_that_is_not_there_are_refused_with_what_is_missing():
    knob = aliases(0, 1, 2, 4)
    require_feasible(plan("fixed_0", "fixed_4"), knob)
    with pytest.raises(PlanRefused, match=r"fixed_3 needs k = 3.*aliases create"):
        require_feasible(plan("fixed_3"), knob)
    with pytest.raises(PlanRefused, match=r"adaptive needs k = 3, 5, 6, 7, 8,"):
        require_feasible(plan("adaptive"), knob)


def test_modes_that_nobody_named_are_left_out_instead_and_the_reason_is_told():
    kept, reasons = feasible_part(plan("fixed_0", "fixed_3", "adaptive"), aliases(0, 1, 2, 4))
    assert {trial.mode for trial in kept.trials} == {"fixed_0"}
    assert len(kept.trials) == 2
    assert sorted(reason.split()[1] for reason in reasons) == ["adaptive", "fixed_3"]


def test_a_draft_length_that_the_server_would_not_have_in_the_probe_is_one_that_no_mode_can_have():
    report = probed({0: 0, 1: 3, 8: 3})
    with pytest.raises(PlanRefused, match=r"fixed_0 needs k = 0, and every request.*draft_length failed"):
        require_feasible(plan("fixed_0", "fixed_1"), StandInKnob(), report)
    kept, reasons = feasible_part(plan("fixed_0", "fixed_1", "fixed_3", "adaptive"), StandInKnob(), report)
    assert {trial.mode for trial in kept.trials} == {"fixed_1", "fixed_3", "adaptive"}
    assert len(reasons) == 1


def test_a_draft_length_that_came_back_once_in_the_probe_can_be_had():
    require_feasible(plan("fixed_0"), StandInKnob(), probed({0: 1}))


def test_modes_that_take_turns_need_a_knob_that_works_per_request():
    with pytest.raises(PlanRefused, match=r"interleaved.*restart.*--design blocked"):
        require_feasible(taking_turns("fixed_0", "fixed_3"), restarting())
    with pytest.raises(PlanRefused, match="interleaved"):
        feasible_part(taking_turns("fixed_0", "fixed_3"), restarting())
    require_feasible(taking_turns("fixed_3"), restarting())
    require_feasible(taking_turns("fixed_0", "fixed_3"), aliases(0, 3))


def test_modes_that_cannot_be_had_no_longer_take_turns_with_the_others():
    kept, reasons = feasible_part(taking_turns("fixed_0", "fixed_3", "fixed_4"), aliases(0, 4))
    assert [trial.together for trial in kept.trials] == [("fixed_0", "fixed_4")] * 2
    assert kept.modes == ("fixed_0", "fixed_4")
    assert [reason.split()[1] for reason in reasons] == ["fixed_3"]
    with pytest.raises(PlanRefused, match="fixed_3 needs k = 3"):
        require_feasible(taking_turns("fixed_0", "fixed_3"), aliases(0))
    with pytest.raises(PlanRefused, match="fixed_3 needs k = 3"):
        feasible_part(taking_turns("fixed_3"), aliases(0))


def test_nothing_left_is_a_refusal():
    with pytest.raises(PlanRefused, match="fixed_3 needs k = 3"):
        feasible_part(plan("fixed_3"), aliases(0))


def test_the_lengths_of_a_plan_are_all_that_its_modes_may_ask_for():
    assert lengths_of(plan("fixed_0", "fixed_12")) == {0, 12}
    assert lengths_of(plan("adaptive")) == set(range(1, 9))
    assert lengths_of(taking_turns("fixed_0", "fixed_12")) == {0, 12}


def test_a_plan_is_probed_at_its_own_lengths_and_at_zero():
    assert telling_lengths(plan("fixed_2", "fixed_3", "fixed_5")) == (0, 2, 5)
    assert telling_lengths(plan("fixed_0", "adaptive")) == (0, 1, 8)
    assert telling_lengths(plan("fixed_4")) == (0, 4)
    assert telling_lengths(plan("fixed_0")) == (0, 1, 8)


@pytest.mark.parametrize(
    ("mode", "why"), [("auto:heuristic", "has its rule inside the bundled"), ("fixed_2@threads=1", "sets threads")]
)
def test_a_mode_of_the_bundled_server_is_refused_on_any_other_before_anything_is_asked(mode, why):
    with pytest.raises(PlanRefused, match=rf"Mode {mode} {why}.*another kind \(llama-server\).*halospec serve"):
        require_server_for(plan("fixed_0", mode), "llama-server", ["draft_length"])
    require_server_for(plan("fixed_0", "adaptive"), "llama-server", ["speculative.n_max"])
    require_server_for(plan("fixed_0", mode), "bundled", ["draft_length"])


@pytest.mark.parametrize("mode", ["auto:heuristic", "adaptive@threads=1"])
def test_it_needs_that_servers_own_knob(mode):
    with pytest.raises(PlanRefused, match=r"its knob is draft_length, and this run's is restart"):
        require_server_for(plan(mode), "bundled", ["restart"])
    with pytest.raises(PlanRefused, match=r"its knob is draft_length, and this run's is restart"):
        require_feasible(plan(mode), restarting())
    require_feasible(plan(mode), StandInKnob())


def test_what_a_rule_in_the_server_may_use_counts_among_a_plans_lengths():
    assert lengths_of(plan("auto:heuristic@max_length=6")) == {1, 2, 3, 4, 5, 6}
