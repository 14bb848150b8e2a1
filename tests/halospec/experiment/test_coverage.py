"""What a journal holds of a plan, from records made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halospec.contention.loads import CpuLoad, Load
from halospec.contention.profiles.profile import WINDOW
from halospec.contention.profiles.ramp import Ramp
from halospec.experiment.coverage import NOTHING_DONE, TrialCoverage, coverage_of
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import INTERLEAVED, Plan, Trial
from halospec.records.loads import LoadReport
from halospec.records.schema import PRELOAD, Phase
from halospec.workloads.prompts import Prompt
from stand_in_runs import id_of

PHASES = parse_phases("steady:1,load:1,recovery:1")
BLOCKED = Trial(1, "fixed_2", PHASES)
TURNS = Trial(1, INTERLEAVED, PHASES, together=("fixed_0", "fixed_2"))


def plan_of(*trials: Trial, warmup: int = 1, preload: int = 0) -> Plan:
    return Plan(trials, (Prompt("a", "A?"),), warmup, preload=preload)


@pytest.fixture
def record(make_record):
    """A measured request of a trial."""

    def make(trial: Trial, step: int, mode: str | None = None, **fields):
        return make_record(
            trial_id=id_of(trial), block=trial.block, step=step, mode=mode or trial.mode, **fields
        )  # fmt: skip

    return make


def load_of(trial: Trial, steps: int | None, attempt: int = 1) -> LoadReport:
    return LoadReport(
        block=trial.block, mode=trial.mode, trial_id=id_of(trial), trial_attempt=attempt, steps=steps,
    )  # fmt: skip


def coverage(trial: Trial, records, loads=()) -> TrialCoverage:
    return coverage_of(plan_of(trial), id_of, records, loads).of(trial)


def test_of_an_empty_journal_nothing_is_done():
    assert coverage(BLOCKED, []) == TrialCoverage()
    assert NOTHING_DONE.of(TURNS) == TrialCoverage(attempt=1)


def test_a_trial_in_steps_is_done_when_every_step_is_there(record):
    assert coverage(BLOCKED, [record(BLOCKED, step) for step in (1, 2, 3)]).done


def test_a_failed_request_is_a_request_that_was_made(record):
    failed = record(BLOCKED, 3, success=False, error="The server hung up.")
    assert coverage(BLOCKED, [record(BLOCKED, 1), record(BLOCKED, 2), failed]).done


def test_a_trial_of_one_mode_that_is_not_complete_is_begun_anew(record):
    assert coverage(BLOCKED, [record(BLOCKED, 1), record(BLOCKED, 2)]) == TrialCoverage(attempt=2)
    assert coverage(BLOCKED, [record(BLOCKED, 1, phase=Phase.WARMUP)]) == TrialCoverage(attempt=2)


def test_void_records_count_for_the_number_of_the_attempt_and_for_nothing_else(record):
    void = [record(BLOCKED, step, void=True) for step in (1, 2, 3)]
    assert coverage(BLOCKED, void) == TrialCoverage(attempt=2)
    second = [record(BLOCKED, step, trial_attempt=2) for step in (1, 2, 3)]
    assert coverage(BLOCKED, void + second[:2]) == TrialCoverage(attempt=3)
    assert coverage(BLOCKED, void + second).done
    assert coverage(BLOCKED, void + second).attempt == 2


def test_modes_that_take_turns_go_on_at_the_next_request_of_the_same_attempt(record):
    held = [
        record(TURNS, 1, "fixed_2", phase=Phase.WARMUP),
        record(TURNS, 1, "fixed_0", phase=Phase.WARMUP),
        record(TURNS, 1, "fixed_0"),
    ]
    found = coverage(TURNS, held)
    assert (found.attempt, found.done, found.load_seen) == (1, False, False)
    assert found.warmed_up == {(1, "fixed_0"), (1, "fixed_2")}
    assert found.measured == {(1, "fixed_0")}


def test_modes_that_take_turns_are_done_when_every_one_has_every_step(record):
    held = [record(TURNS, step, mode) for step in (1, 2, 3) for mode in TURNS.together]
    assert coverage(TURNS, held).done
    assert not coverage(TURNS, held[:-1]).done


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({}, False),
        ({"load_overlap": 0.2}, True),
        ({"phase": Phase.LOAD, "load_overlap": 1.0}, True),
        ({"phase": Phase.RECOVERY}, True),
        ({"phase": Phase.LOAD, "load_overlap": 1.0, "void": True}, False),
    ],
)
def test_whether_load_was_seen_follows_from_what_was_measured(record, fields, seen):
    held = [record(TURNS, 1, "fixed_0"), record(TURNS, 2, "fixed_0", **fields)]
    assert coverage(TURNS, held).load_seen is seen


@pytest.mark.parametrize(
    "phases",
    [
        parse_phases("steady:1s"),
        parse_phases("steady:3").with_load(2, 30.0),
        parse_phases("steady:1s,load:1s"),
    ],
    ids=["length in seconds", "load in seconds", "both"],
)
def test_modes_that_take_turns_by_the_clock_are_begun_anew(record, phases):
    trial = replace(TURNS, phases=phases)
    assert coverage(trial, [record(trial, 1, "fixed_0")]) == TrialCoverage(attempt=2)


@pytest.mark.parametrize(
    ("profile", "so_far"),
    [(WINDOW, TrialCoverage(measured=frozenset({(1, "fixed_0")}))), (Ramp(20.0), TrialCoverage(2))],
)
def test_a_load_that_has_a_course_in_time_cannot_go_on_in_the_middle_of_it(record, profile, so_far):
    plan = replace(plan_of(TURNS), loads=(Load(CpuLoad(workers=1), profile),))
    assert coverage_of(plan, id_of, [record(TURNS, 1, "fixed_0")]).of(TURNS) == so_far


def test_a_trial_in_seconds_is_done_when_every_step_that_its_load_report_names_is_there(record):
    trial = Trial(1, "fixed_2", parse_phases("steady:1s"))
    held = [record(trial, 1), record(trial, 2)]
    assert coverage(trial, held, [load_of(trial, 2)]).done
    assert coverage(trial, held) == TrialCoverage(attempt=2)
    assert coverage(trial, held, [load_of(trial, None)]) == TrialCoverage(attempt=2)
    assert coverage(trial, held[:1], [load_of(trial, 2)]) == TrialCoverage(attempt=2)


def test_the_report_of_one_attempt_says_nothing_of_the_next(record):
    trial = Trial(1, "fixed_2", parse_phases("steady:1s"))
    held = [record(trial, 1, void=True), record(trial, 1, trial_attempt=2)]
    assert coverage(trial, held, [load_of(trial, 1)]) == TrialCoverage(attempt=3)
    assert coverage(trial, held, [load_of(trial, 1, attempt=2)]).done


def test_a_trial_before_which_only_the_preload_came_has_not_begun(record):
    assert coverage(BLOCKED, [record(BLOCKED, 1, PRELOAD, phase=Phase.WARMUP)]) == TrialCoverage(attempt=1)


def test_steps_are_numbered_on_from_the_highest_void_or_not(record):
    held = [record(BLOCKED, 1, global_step=7), record(BLOCKED, 2, global_step=9, void=True)]
    assert coverage_of(plan_of(BLOCKED), id_of, held).global_step == 9


def test_the_requests_left_are_those_of_trials_that_are_not_done_and_the_preload(record):
    other = replace(BLOCKED, block=2)
    plan = plan_of(BLOCKED, TURNS, other, preload=5)
    assert NOTHING_DONE.requests_left(plan) == plan.request_count == 4 + 8 + 4 + 5
    held = [record(BLOCKED, step) for step in (1, 2, 3)]
    held += [record(TURNS, 1, "fixed_0"), record(TURNS, 1, "fixed_0", phase=Phase.WARMUP), record(other, 1)]
    assert coverage_of(plan, id_of, held).requests_left(plan) == 6 + 4 + 5
    whole = plan_of(BLOCKED, preload=5)
    assert coverage_of(whole, id_of, held).requests_left(whole) == 0
    by_time = plan_of(BLOCKED, Trial(3, "fixed_2", parse_phases("steady:1s")))
    assert coverage_of(by_time, id_of, held).requests_left(by_time) is None
