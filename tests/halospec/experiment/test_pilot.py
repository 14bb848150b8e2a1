"""What an earlier run tells of one to come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halospec.analysis.loading import RunData, run_of
from halospec.experiment.phases import parse_phases
from halospec.experiment.pilot import Pilot, choices, pilot_of
from halospec.experiment.plan import Plan, blocked_plan
from halospec.experiment.scatter import Scatter
from halospec.records.schema import Phase
from halospec.records.switches import SwitchReason
from halospec.workloads.prompts import Prompt
from made_runs import made_manifest


def plan(blocks: int = 4) -> Plan:
    return blocked_plan(
        ("fixed_0", "fixed_2"), parse_phases("steady:2"), [Prompt("a", "A?")], blocks=blocks, warmup=1, seed=1
    )


@pytest.fixture
def run(make_record) -> RunData:
    """Two modes through one block, each after a restart of its server."""
    records = [
        make_record(
            mode=f"fixed_{k}",
            draft_length=k,
            step=step,
            completion_tokens=11,
            ttft_ms=50.0,
            first_token_ns=50_000_000,
            ended_ns=150_000_000 + step * k * 1_000_000,
            latency_ms=150.0,
            switch_ms=2000.0 if step == 1 else None,
            switch_reason=SwitchReason.CHANGED if step == 1 else None,
        )
        for k in (0, 2)
        for step in (1, 2)
    ]
    return run_of(records)


def test_a_run_tells_its_times_its_switches_and_its_scatter(run):
    pilot = pilot_of(run, plan())
    assert pilot.timings is not None
    assert (pilot.timings.switch_ms, pilot.timings.ttft_ms) == (2000.0, 50.0)
    assert [(one.phase, one.blocks) for one in pilot.scatter] == [(Phase.STEADY, 1)]


def test_replies_that_were_allowed_as_much_stand_for_those_to_come(run):
    limited = replace(run, manifest=made_manifest((), settings={"max_tokens": 64}))
    timings = pilot_of(limited, plan()).timings
    assert timings is not None
    assert (timings.reply_tokens, timings.longest_reply) == (11, 64)


def test_without_a_manifest_or_a_switch_nobody_knows_how_long_one_takes(make_record):
    timings = pilot_of(run_of([make_record(first_token_ns=0)]), plan()).timings
    assert timings is not None
    assert timings.switch_ms is None


def test_a_choice_is_a_number_of_blocks_with_what_it_finds(run):
    pilot = replace(pilot_of(run, plan()), scatter=(Scatter(Phase.STEADY, 0.05, 3),))
    offered = choices(plan(4), pilot)
    assert [one.plan.blocks for one in offered] == [2, 3, 4, 5, 10, 20, 50, 100]
    found = [one.detectable[0].log_ratio for one in offered]
    assert found == sorted(found, reverse=True)
    assert [one.plan for one in offered if one.plan.blocks == 4] == [plan(4)]


def test_there_is_no_choice_to_show_without_a_pilot():
    assert choices(plan(), Pilot.none()) == ()
