"""What is said of a plan before it runs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from halospec.contention.loads import CpuLoad, Load
from halospec.experiment.forecast import (
    blocks_for,
    blocks_sentence,
    forecast,
    forecast_sentences,
    spoken_duration,
    spoken_share,
    steps_by_phase,
)
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Plan, blocked_plan, classic_plan
from halospec.experiment.scatter import Scatter
from halospec.experiment.timings import TimeAtLength, Timings
from halospec.inference.power import smallest_detectable
from halospec.records.schema import Phase
from halospec.workloads.prompts import Prompt

TIMINGS = Timings((TimeAtLength(0, 20.0),), 100.0, 64.0, 64, 2.0, 0.0)
SCATTER = (Scatter(Phase.STEADY, 0.03, 4), Scatter(Phase.LOAD, 0.06, 4))


def plan(*modes: str, phases: str = "steady:5,load:5", blocks: int = 6) -> Plan:
    made = blocked_plan(
        modes or ("fixed_0", "fixed_2", "fixed_4"), parse_phases(phases), [Prompt("a", "A?")],
        blocks=blocks, warmup=5, seed=1,
    )  # fmt: skip
    return replace(made, loads=(Load(CpuLoad(1)),))


def test_a_difference_is_detectable_in_each_phase_after_correction_for_all_comparisons_of_the_run():
    steady, load = forecast(plan(), TIMINGS, SCATTER).detectable
    assert steady.log_ratio == smallest_detectable(0.03, 6, comparisons=4)
    assert load.log_ratio == smallest_detectable(0.06, 6, comparisons=4)
    assert steady.share == math.expm1(steady.log_ratio)


def test_phases_that_the_plan_does_not_have_cost_nothing():
    (steady,) = forecast(plan(phases="steady:5"), TIMINGS, SCATTER).detectable
    assert steady.log_ratio == smallest_detectable(0.03, 6, comparisons=2)


def test_more_blocks_find_less_and_so_many_blocks_find_what_was_asked_for():
    needed = blocks_for(plan(), SCATTER, 0.05)
    assert needed is not None
    found = forecast(plan(blocks=needed), TIMINGS, SCATTER).detectable
    assert max(one.share for one in found) <= 0.05
    assert max(one.share for one in forecast(plan(blocks=needed - 1), TIMINGS, SCATTER).detectable) > 0.05


def test_nobody_knows_how_many_blocks_it_takes_without_a_pilot_or_another_mode():
    assert blocks_for(plan(), (), 0.05) is None
    assert blocks_for(plan("fixed_0"), SCATTER, 0.05) is None
    assert blocks_sentence(plan(), ()) is None


def test_usual_wishes_are_told_with_the_blocks_that_they_take():
    needed = [blocks_for(plan(), SCATTER, share) for share in (0.1, 0.05, 0.02)]
    assert blocks_sentence(plan(), SCATTER) == (
        "Blocks that find a difference in every phase: {} for 10 %, {} for 5 %, {} for 2 %.".format(*needed)
    )


def test_the_sentences_say_size_time_and_power():
    first, second = forecast_sentences(forecast(plan(), TIMINGS, SCATTER))
    assert first == "18 trials in 6 blocks, 270 requests, about 8 min."
    assert second == "A difference of 6.0 % in steady (12 % in load) will be found with 80 % power."


def test_a_pilot_of_one_block_is_said_to_be_one():
    pilot = tuple(replace(one, blocks=1) for one in SCATTER)
    assert "one pilot block" in forecast_sentences(forecast(plan(), TIMINGS, pilot))[-1]


def test_what_is_not_known_is_said_to_be_unknown():
    size, time, power = forecast_sentences(forecast(plan()))
    assert size == "18 trials in 6 blocks, 270 requests."
    assert time.startswith("How long it will take is not known")
    assert "--pilot" in power
    sentences = forecast_sentences(forecast(plan(), Timings(TIMINGS.by_length, switch_ms=0.0)))
    assert sentences[0].endswith("about 6 min if every reply has 64 tokens.")
    assert sentences[1] == (
        "The time leaves out what is not known: the time to a reply's first token, and how much slower requests are"
        " under load."
    )


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (plan(blocks=1), "One block shows no difference"),
        (plan("fixed_2"), "one mode, and nothing to compare"),
        (classic_plan(load=False, warmup=5), "supports no comparison"),
    ],
)
def test_a_plan_that_can_find_nothing_is_told_so(of, said):
    assert said in forecast_sentences(forecast(of, TIMINGS, SCATTER))[-1]


def test_a_timed_plan_has_about_so_many_requests():
    assert "about 4,068 requests" in forecast_sentences(forecast(plan(phases="steady:300s"), TIMINGS))[0]


def test_a_difference_beyond_all_measure_is_not_given_in_digits():
    (steady,) = forecast(plan(phases="steady:5", blocks=2), TIMINGS, (Scatter(Phase.STEADY, 99.0, 2),)).detectable
    assert spoken_share(steady.share) == "more than 100 %"


def test_times_and_shares_are_spoken_as_one_would():
    assert [spoken_duration(s) for s in (40.4, 89.0, 90.0, 3600.0, 7800.0)] == [
        "40 s", "89 s", "2 min", "60 min", "2 h 10 min",
    ]  # fmt: skip
    assert [spoken_share(s) for s in (0.0412, 0.123, 1.01)] == ["4.1 %", "12 %", "more than 100 %"]


def test_the_steps_of_each_phase_are_known_where_steps_decide():
    assert steps_by_phase(parse_phases("steady:5,load:3,recovery:2")) == {"steady": 5, "load": 3, "recovery": 2}
    assert steps_by_phase(parse_phases("load:3")) == {"load": 3}
    assert steps_by_phase(parse_phases("steady:5,load:3").without_load()) == {"steady": 8}
    assert steps_by_phase(parse_phases("steady:5s")) == {}
    assert steps_by_phase(parse_phases("steady:9").with_load(3, 2.0)) == {}
