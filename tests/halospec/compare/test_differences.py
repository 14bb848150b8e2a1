"""What else may be behind a difference, and whether runs can be paired."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from halospec.analysis.loading import requests_of
from halospec.compare.differences import cautions_of
from halospec.compare.pairing import pairing_of
from halospec.compare.runs import ComparedRun
from halospec.records.manifest import Status
from halospec.records.schema import Phase
from made_runs import PAIRING, STARTED_AT, made_host, made_manifest, made_records, made_server

OTHER_TARGET = {"target": {"sha256": "c" * 64}, "draft": {"sha256": "b" * 64}, "llama_cpp": "0.3.36"}
LATER = STARTED_AT + timedelta(days=1)


def run(name, *, without_manifest=False, course=None, **changes):
    records = made_records(**(course or {}))
    manifest = None if without_manifest else made_manifest(records, **changes)
    return ComparedRun(name=name, path=Path(name), requests=requests_of(records), manifest=manifest)


def cautions(**changes):
    return cautions_of([run("main"), run("new", **({"started_at": LATER} | changes))])


def test_equal_runs_one_after_the_other_still_leave_drift():
    assert cautions() == (
        "The runs were made one after the other, so drift of the machine between them is not in the intervals.",
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"host": made_host(cpu="Another CPU", usable_cores=2)},
            "new was made on another machine than main: CPU Another CPU, not A CPU of 8 cores; usable cores 2, not 8.",
        ),
        ({"server": made_server(model="large")}, "new was made with another model than main: name large, not tiny."),
        (
            {"server": made_server(loaded=OTHER_TARGET)},
            f"target's SHA-256 {'c' * 12}…, not {'a' * 12}…",
        ),
        ({"server": made_server(version="b2")}, "new was made with another server than main: version b2, not unknown."),
        (
            {"server": made_server(account={"/props": {"build_info": "b9"}})},
            "new was made with another server than main: build b9, not unknown.",
        ),
        (
            {"halospec": "0.2.0"},
            "new was made by another version of halospec than main: version 0.2.0, not 0.1.0.",
        ),
        ({"knob": "restart"}, "new was made through another knob than main: knob restart, not draft_length."),
        (
            {"settings": {"temperature": 0.8, "max_tokens": 64}},
            "new was made with other sampling than main: max_tokens 64, not 33; temperature 0.8, not 0.0.",
        ),
        (
            {"settings": {"load": {"enabled": True, "workers": 2, "percent": 100.0}}},
            "new was made under another load than main: loads cpu:100%@workers=2, not none.",
        ),
        (
            {"loads": ("cpu:75%@workers=2", "memory:4GB/s")},
            "new was made under another load than main: loads cpu:75%@workers=2, memory:4GB/s, not none.",
        ),
        ({"placebo": True}, "PLACEBO: new went on although the server ignores the draft length."),
        ({"status": Status.INTERRUPTED}, "new was interrupted; what it holds so far is compared."),
        ({"status": Status.RUNNING}, "new is still running or was killed; what it holds so far is compared."),
        (
            {"without_manifest": True},
            "new has no manifest: nothing is known of its machine, its model and its server.",
        ),
        ({"course": {"fails": lambda cell: cell.step == 1}}, "8 of 24 measured requests of new failed;"),
        ({"course": {"blocks": 1}}, "new has only one block,"),
    ],
)
def test_what_differs_is_said_in_a_sentence(changes, sentence):
    said = cautions(**changes)
    assert any(sentence in caution for caution in said)
    assert len(said) == 2


def test_a_texts_control_characters_do_not_reach_the_sentence():
    assert all(caution.isprintable() for caution in cautions(host=made_host(cpu="evil\x1b[2J\ncpu")))


def test_load_is_compared_as_it_was_measured():
    under_load = {Phase.LOAD: 2}
    a = run("main", course={"phases": under_load})
    b = run("new", started_at=LATER, course={"phases": under_load, "load_percent": 40})
    assert any("40 % of their cores in new and 95 % in main" in caution for caution in cautions_of([a, b]))


def test_runs_at_the_same_time_share_their_drift_and_perhaps_the_machine():
    (caution,) = cautions(started_at=STARTED_AT)
    assert "at the same time" in caution


def test_several_runs_are_not_pooled():
    runs = [run("a"), run("b", started_at=LATER), run("c", started_at=LATER + timedelta(days=1))]
    assert cautions_of(runs)[-1] == "Each run is compared with a by itself; runs of one kind are not pooled."


def pairing(**changes):
    records = made_records()
    return pairing_of("a", made_manifest(records), "b", made_manifest(records, **changes))


def test_equal_plans_pair():
    assert pairing().is_paired
    assert pairing(halospec="9", knob="restart").is_paired


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt_set_sha256": "2" * 64}, "the plans differ in their prompts"),
        ({"seed": 2, "prompt_set_sha256": "2" * 64}, "the plans differ in their prompts and seeds"),
        ({"design": "interleaved"}, "the plans differ in their designs"),
        ({"trials": ()}, "the plans differ in their phases"),
        ({"settings": {"max_tokens": 8}}, "the plans differ in their sampling"),
        ({}, "the plans differ"),
    ],
)
def test_other_plans_do_not_and_it_is_said_why(changes, reason):
    found = pairing(pairing_sha256="f" * 64, **changes)
    assert (found.is_paired, found.reason) == (False, reason)


def test_what_was_planned_must_be_known():
    records = made_records()
    manifest = made_manifest(records)
    assert manifest.pairing_sha256 == PAIRING
    assert not pairing_of("a", manifest, "b", None).is_paired
    assert "b has no manifest" in pairing_of("a", manifest, "b", None).reason
    assert "from before" in pairing(pairing_sha256=None).reason


def test_a_mode_that_only_failed_is_named():
    b = run("new", started_at=LATER, course={"fails": lambda cell: cell.mode == "fixed_2"})
    said = [caution for caution in cautions_of([run("main"), b]) if "failed in" in caution]
    assert said == ["Every request of new failed in fixed_2 in steady: nothing there but attainment can be compared."]
