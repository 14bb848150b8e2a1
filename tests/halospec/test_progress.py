"""What a person reads while a server is probed and measured."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from halospec.experiment.knob_choice import KnobChoice
from halospec.progress import ProbeProgress, RunProgress
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.probe import Basis, KnobReport, Verdict
from halospec.records.schema import Phase
from halospec.tuning.progress import TuneProgress
from stand_in_knobs import StandInKnob

STEERING = "\x1b]0;mine\x07\x9b31m\u202e"


def a_console(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    seen = io.StringIO()
    return Console(file=seen, force_terminal=terminal, width=200), seen


def a_choice(name: str, verdict: Verdict) -> KnobChoice:
    report = KnobReport(
        knob=name,
        kind="model_alias",
        per_request=True,
        verdict=verdict,
        basis=Basis.COUNTS,
        reason="k changes nothing.",
    )
    return KnobChoice(StandInKnob(name=name), report)


def test_a_models_name_in_a_knobs_steers_no_terminal():
    console, seen = a_console(terminal=True)
    with RunProgress(console) as progress:
        progress.canary_sent(f"alias:{STEERING}-k{{k}} k = 1")
        progress.canary_ended(f"no model {STEERING}")
        progress.run_planned(a_choice(f"alias:{STEERING}", Verdict.CANNOT_TELL), 10)
    assert "mine" in seen.getvalue()
    assert "\x1b]" not in seen.getvalue()
    assert not set(seen.getvalue()) & {"\x07", "\x9b", "\u202e"}


def test_the_same_failure_of_canaries_is_told_once():
    console, seen = a_console()
    with ProbeProgress(console) as progress:
        for reason in ("no such field", "no such field", "", "too slow", "no such field"):
            progress.canary_ended(reason)
    assert seen.getvalue().count("no such field") == 1
    assert seen.getvalue().count("too slow") == 1


def test_what_the_probe_found_is_one_sentence():
    console, seen = a_console()
    with RunProgress(console) as progress:
        progress.run_planned(a_choice("draft_length", Verdict.CANNOT_TELL), 10)
    assert seen.getvalue() == "Draft length through draft_length: cannot tell: k changes nothing.\n"


def test_a_warm_up_that_failed_is_not_taken_for_a_step(make_record):
    console, seen = a_console()
    with RunProgress(console) as progress:
        progress.request_ended(make_record(phase=Phase.WARMUP, success=False, error="gone", completion_tokens=None))
    assert seen.getvalue() == "fixed_2 warm-up 1 failed: gone\n"


def got(name: str, kind: LoadKind, unit: str, achieved: float | None) -> InjectedLoad:
    return InjectedLoad(name=name, kind=kind, unit=unit, workers=1, offered=None, achieved=achieved)


def test_at_the_end_of_a_trial_every_load_is_named_with_what_it_got():
    console, seen = a_console()
    loads = (
        got("cpu:75%", LoadKind.CPU, "%", 71.3),
        got("memory:4GB/s", LoadKind.MEMORY, "GB/s", 3.94),
        got("disk:50MB/s", LoadKind.DISK, "MB/s", None),
        got("process:stress-ng --vm 1", LoadKind.PROCESS, "% of a core", 99.6),
    )
    with RunProgress(console) as progress:
        progress.trial_ended(LoadReport(block=2, mode="fixed_4", loads=loads, steps=5))
        progress.trial_ended(LoadReport(block=3, mode="fixed_4", loads=(), steps=5))
        progress.trial_ended(LoadReport(block=4, mode="fixed_4", loads=(), steps=None))
    assert seen.getvalue().splitlines() == [
        "fixed_4 (block 2) done: cpu:75% got 71 %, memory:4GB/s got 3.9 GB/s, process:stress-ng --vm 1 got 100 % of a"
        " core",
        "fixed_4 (block 3) done",
        "fixed_4 (block 4) cut short",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_load_that_ended_by_itself_is_told_at_the_end_of_its_trial(terminal):
    console, seen = a_console(terminal=terminal)
    ended = got("process:sleep 1", LoadKind.PROCESS, "% of a core", 0.0).model_copy(update={"ended_early": "it ended"})
    load = LoadReport(block=2, mode="fixed_4", loads=(got("cpu:75%", LoadKind.CPU, "%", 71.3), ended))
    for progress in (RunProgress(console), TuneProgress(console)):
        with progress:
            progress.trial_ended(load)
    assert "fixed_4 (block 2), process:sleep 1: it ended." in seen.getvalue()
    assert "The search, process:sleep 1: it ended." in seen.getvalue()


def test_the_name_of_a_replay_does_not_fill_the_screen():
    console, seen = a_console()
    values = "/".join(f"{second}s:50%" for second in range(200))
    with RunProgress(console) as progress:
        replayed = got(f"cpu:75%@profile=replay,at={values}", LoadKind.CPU, "%", 50.0)
        progress.trial_ended(LoadReport(block=1, mode="fixed_4", loads=(replayed,)))
    assert len(seen.getvalue().splitlines()) == 1
    assert seen.getvalue().endswith("... got 50 %\n")
