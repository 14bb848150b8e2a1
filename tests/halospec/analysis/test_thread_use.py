"""With how many threads rounds ran."""

from __future__ import annotations

import pytest
from rich.console import Console

from halospec.analysis.loading import run_of
from halospec.analysis.thread_use import thread_tables, thread_use
from halospec.records.schema import Phase, Round


def test_rounds_are_counted_by_their_threads_in_each_mode_and_phase(make_record):
    one, two, plain = (
        Round(k=k, accepted=0, threads=threads, draft_threads=draft)
        for k, threads, draft in ((2, 1, 1), (2, 2, 2), (0, 2, 0))
    )
    run = run_of(
        [
            make_record(mode="auto:cost_model", round_log=(two, two, plain, one)),
            make_record(mode="auto:cost_model", phase=Phase.LOAD, round_log=(one,)),
            make_record(mode="auto:cost_model", phase=Phase.LOAD, success=False, error="Gone.", round_log=(two,)),
            make_record(mode="auto:cost_model", phase=Phase.WARMUP, round_log=(two,)),
        ]
    )
    steady, load = thread_use(run.requests, run.rounds) or ()
    assert (steady.phase, load.phase) == (Phase.STEADY, Phase.LOAD)
    assert [(s.threads, s.draft_threads, s.rounds) for s in steady.shares] == [(2, 2, 2), (1, 1, 1), (2, None, 1)]
    assert [s.share for s in steady.shares] == [0.5, 0.25, 0.25]
    assert [(s.threads, s.draft_threads, s.share) for s in load.shares] == [(1, 1, 1.0)]
    console = Console(width=100, record=True, file=None, color_system=None)
    with console.capture() as shown:
        for part in thread_tables((steady, load)):
            console.print(part)
    assert "2 and 2: 50 %, 1 and 1: 25 %, 2 and -: 25 %" in shown.get()


@pytest.mark.parametrize("rounds", [(), (Round(k=2, accepted=1),)])
def test_of_a_server_that_does_not_say_nothing_is_said(make_record, rounds):
    run = run_of([make_record(round_log=rounds)])
    assert thread_use(run.requests, run.rounds) is None
