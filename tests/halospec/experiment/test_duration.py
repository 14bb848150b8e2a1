"""How long a plan takes, added up from its requests, pauses and switches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from halospec.contention.loads import CpuLoad, Load
from halospec.experiment.duration import NO_REQUEST_TIMES, expected_duration
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Pauses, Plan, Sampling, blocked_plan, interleaved_plan
from halospec.experiment.timings import TimeAtLength, Timings
from halospec.workloads.prompts import Prompt

TIMINGS = Timings(
    (TimeAtLength(0, 20.0), TimeAtLength(8, 10.0)),
    ttft_ms=100.0,
    reply_tokens=11.0,
    longest_reply=64,
    load_slowdown=2.0,
    switch_ms=0.0,
)
"""At k = 0 a request takes 0.3 s, at k = 8 it takes 0.2 s; twice that under load."""


def plan(phases: str = "steady:4", *modes: str, blocks: int = 1, warmup: int = 0) -> Plan:
    return blocked_plan(
        modes or ("fixed_0", "fixed_8"), parse_phases(phases), [Prompt("a", "A?")], blocks=blocks, warmup=warmup, seed=1
    )


def seconds(of: Plan, timings: Timings = TIMINGS) -> float:
    found = expected_duration(of, timings).seconds
    assert found is not None
    return found


def test_each_mode_takes_its_own_time():
    assert seconds(plan()) == pytest.approx(4 * (0.3 + 0.2))
    assert seconds(plan(blocks=3, warmup=2)) == pytest.approx(3 * 6 * (0.3 + 0.2))
    assert seconds(plan("steady:4", "fixed_4")) == pytest.approx(4 * 0.25)


def test_a_controller_takes_the_mean_over_what_it_may_choose():
    assert seconds(plan("steady:4", "adaptive")) == pytest.approx(4 * (0.1 + 10 * 0.01 * (20 - 1.25 * 4.5) / 10))


def test_modes_that_take_turns_take_as_long_as_they_would_one_after_the_other():
    turns = interleaved_plan(("fixed_0", "fixed_8"), parse_phases("steady:4"), [Prompt("a", "A?")],
                             blocks=3, warmup=2, seed=1)  # fmt: skip
    assert expected_duration(turns, TIMINGS) == expected_duration(plan(blocks=3, warmup=2), TIMINGS)


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ("steady:2,load:3,recovery:4", 2 * 0.3 + 3 * 0.6 + 4 * 0.3),
        ("load:3", 3 * 0.6),
        ("steady:3s,load:3s,recovery:3s", 10 * 0.3 + 5 * 0.6 + 10 * 0.3),
    ],
)
def test_requests_under_load_take_longer(phases, expected):
    assert seconds(plan(phases, "fixed_0")) == pytest.approx(expected)


def test_a_load_that_stays_on_for_a_time_covers_as_many_steps_as_fit():
    loaded = parse_phases("steady:20").with_load(start_step=6, seconds=3.0)
    of = blocked_plan(("fixed_0",), loaded, [Prompt("a", "A?")], blocks=1, warmup=0, seed=1)
    assert seconds(of) == pytest.approx(5 * 0.3 + 5 * 0.6 + 10 * 0.3)


def test_where_time_decides_the_number_of_requests_is_estimated():
    found = expected_duration(plan("steady:30s", "fixed_0", warmup=2), TIMINGS)
    assert found.requests == 2 + 100
    assert found.seconds == pytest.approx(30.6)
    assert expected_duration(plan("steady:30s"), None).requests is None


def test_pauses_and_preload_take_time():
    rested = replace(plan(blocks=2, warmup=1), pauses=Pauses(1.0, 2.0, 5.0), preload=4)
    first_s = 0.3 if rested.trials[0].mode == "fixed_0" else 0.2
    assert seconds(rested) == pytest.approx(2 * 5 * 0.5 + 4 * (1.0 + 4 * 2.0) + 3 * 5.0 + 4 * first_s)
    assert expected_duration(rested, TIMINGS).requests == rested.request_count == 24


def test_a_server_that_is_started_anew_for_each_k_takes_that_time_too():
    slow = replace(TIMINGS, switch_ms=10_000.0)
    assert seconds(plan(), slow) - seconds(plan()) == pytest.approx(20.0)
    one = plan("steady:4", "fixed_0", blocks=5)
    assert seconds(one, slow) - seconds(one) == pytest.approx(10.0)


def test_replies_are_as_long_as_those_seen_unless_more_is_allowed_now():
    assert not expected_duration(plan(), TIMINGS).full_length
    longer = replace(plan(), sampling=Sampling(max_tokens=101))
    assert expected_duration(longer, TIMINGS).full_length
    assert seconds(longer) == pytest.approx(4 * (0.1 + 2.0 + 0.1 + 1.0))
    exact = replace(plan(), sampling=Sampling(max_tokens=101, ignore_eos=True))
    assert seconds(exact) == seconds(longer)
    assert not expected_duration(exact, TIMINGS).full_length
    shorter = replace(plan(), sampling=Sampling(max_tokens=6))
    assert seconds(shorter) == pytest.approx(4 * (0.1 + 0.1 + 0.1 + 0.05))


def test_what_is_not_known_is_named():
    loaded = replace(plan("steady:2,load:2"), loads=(Load(CpuLoad(1)),))
    known_little = Timings(TIMINGS.by_length)
    assert expected_duration(loaded, known_little).unknown == (
        "the time to a reply's first token",
        "how much slower requests are under load",
        "how long the server takes to come to another draft length",
    )
    assert expected_duration(loaded, TIMINGS).unknown == ()
    nothing = expected_duration(loaded, None)
    assert (nothing.seconds, nothing.requests, nothing.unknown) == (None, 8, (NO_REQUEST_TIMES,))
