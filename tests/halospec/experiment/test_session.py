"""What is looked at before a run goes on: its files, its plan, and by what it is to be judged; no server is asked yet.

Runs that go on against a server are in tests/e2e/test_resume.py.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import psutil
import pytest

import halospec
from halospec.contention.loads import CpuLoad, Load, MemoryLoad
from halospec.contention.spelling import spelled
from halospec.cores import available_cores
from halospec.experiment.feasibility import PlanRefused
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import Plan, blocked_plan
from halospec.experiment.plan_file import read_plan, write_plan
from halospec.experiment.run_manifest import this_process, trial_ids_of, with_plan
from halospec.experiment.session import _measure, resume_session, settings_to_resume
from halospec.records.manifest import Manifest, RunningProcess, Status, read_manifest, write_manifest
from halospec.records.store import RecordJournal, RunFiles, StoreError
from halospec.workloads.prompts import Prompt
from made_runs import made_manifest

pytestmark = pytest.mark.anyio

PLAN = blocked_plan(
    ("fixed_0", "fixed_2"), parse_phases("steady:1"), (Prompt("a", "A?"), Prompt("b", "B?")), blocks=2, warmup=0, seed=1
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Listener:
    """Hears what a session says; there is nothing else to observe before a server is asked."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def told(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def files(tmp_path) -> RunFiles:
    """Give the directory of a run that was killed before its first request."""
    files = RunFiles(tmp_path / "run")
    write_plan(PLAN, files.plan)
    asked = {"url": "http://127.0.0.1:1", "slo": [], "reference": None, "precision": None, "max_minutes": None}
    manifest = made_manifest((), settings=asked, halospec=halospec.__version__, started_at=datetime.now(UTC))
    write_manifest(with_plan(manifest, PLAN).model_copy(update={"status": Status.RUNNING}), files.manifest)
    return files


@pytest.fixture
def complete(files, make_record) -> RunFiles:
    """Give the directory of a run that was killed after its last request."""
    with RecordJournal(files.records) as journal:
        for number, trial in enumerate(PLAN.trials, start=1):
            trial_id = trial_ids_of(manifest_in(files))(trial)
            journal.append(
                make_record(mode=trial.mode, block=trial.block, step=1, global_step=number, trial_id=trial_id)
            )
    return files


def manifest_in(files: RunFiles) -> Manifest:
    manifest = read_manifest(files.manifest)
    assert manifest is not None
    return manifest


async def go_on(files: RunFiles, **given: object) -> list[str]:
    listener = Listener()
    await resume_session(settings_to_resume(files.directory, given), listener)
    return listener.said


async def test_a_run_of_which_nothing_is_left_is_closed_without_asking_a_server(complete):
    assert await go_on(complete) == ["Nothing of this run is left to do."]
    assert manifest_in(complete).status is Status.COMPLETE


async def test_what_a_run_is_judged_by_now_is_what_its_summary_will_go_by(complete):
    await go_on(complete, slo=("e2e_ms=20",), reference="fixed_2")
    settings = manifest_in(complete).settings
    assert (settings["slo"], settings["reference"]) == (["e2e_ms=20"], "fixed_2")
    await go_on(complete)
    assert manifest_in(complete).settings["reference"] == "fixed_2"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({"reference": "fixed_7"}, "none of the modes that run"), ({"slo": ("auto",)}, "this plan has no warm-up")],
)
async def test_what_a_run_cannot_be_judged_by_is_refused(complete, given, sentence):
    with pytest.raises(PlanRefused, match=sentence):
        await go_on(complete, **given)


def loaded(files: RunFiles, load: Load) -> None:
    """Have a run that was killed before its first request have had a load."""
    phases = parse_phases("load:1")
    trials = tuple(replace(trial, phases=phases) for trial in PLAN.trials)
    plan = replace(PLAN, trials=trials, loads=(load,))
    write_plan(plan, files.plan)
    began = with_plan(manifest_in(files), plan)
    injected = {"load": {"enabled": None, "inject": [spelled(load)]}}
    write_manifest(began.model_copy(update={"settings": began.settings | injected}), files.manifest)


async def test_a_load_that_this_machine_cannot_have_is_refused_before_a_server_is_asked(files):
    loaded(files, Load(CpuLoad(workers=1000 * available_cores())))
    with pytest.raises(PlanRefused, match="workers"):
        await go_on(files)


async def test_a_run_of_which_nothing_is_left_needs_no_load_any_more(files, make_record):
    loaded(files, Load(CpuLoad(workers=1000 * available_cores())))
    with RecordJournal(files.records) as journal:
        for number, trial in enumerate(read_plan(files.plan).trials, start=1):
            journal.append(
                make_record(
                    mode=trial.mode, block=trial.block, step=1, global_step=number,
                    trial_id=trial_ids_of(manifest_in(files))(trial),
                )
            )  # fmt: skip
    assert await go_on(files) == ["Nothing of this run is left to do."]


def test_a_run_that_goes_on_has_the_loads_that_it_began_with(files):
    load = Load(MemoryLoad(4.0))
    loaded(files, load)
    assert settings_to_resume(files.directory, {}).loads() == (load,)
    assert read_plan(files.plan).loads == (load,)


def longer(plan: Plan) -> Plan:
    return plan.with_blocks(3)


def shorter(plan: Plan) -> Plan:
    return plan.with_blocks(1)


def in_another_order(plan: Plan) -> Plan:
    first, second, *others = plan.trials
    return replace(plan, trials=(second, first, *others))


def with_another_prompt(plan: Plan) -> Plan:
    return replace(plan, prompts=(Prompt("a", "B?"), plan.prompts[1]))


def with_longer_replies(plan: Plan) -> Plan:
    return replace(plan, sampling=replace(plan.sampling, max_tokens=65))


@pytest.mark.parametrize("changed", [longer, shorter, in_another_order, with_another_prompt, with_longer_replies])
async def test_a_plan_that_was_changed_is_refused_and_nothing_is_touched(complete, changed):
    write_plan(changed(PLAN), complete.plan)
    before = complete.records.read_bytes(), complete.manifest.read_bytes()
    with pytest.raises(StoreError, match="not the plan that this run began with"):
        await go_on(complete)
    assert (complete.records.read_bytes(), complete.manifest.read_bytes()) == before


async def test_a_run_killed_between_the_manifest_and_the_plan_of_more_blocks_can_go_on(complete):
    grown = with_plan(manifest_in(complete), PLAN.with_blocks(5))
    settings = grown.settings | {"precision": 0.05, "max_minutes": 1.0}
    write_manifest(grown.model_copy(update={"settings": settings}), complete.manifest)
    # These records have no time per token, so no precision is to be reached.
    assert await go_on(complete) == ["Nothing of this run is left to do."]


async def test_a_run_that_another_process_measures_is_left_alone(files):
    other = RunningProcess(pid=os.getppid(), created_at=0.0, host=this_process().host)
    parent = other.model_copy(update={"created_at": _created_at(other.pid)})
    write_manifest(manifest_in(files).model_copy(update={"process": parent}), files.manifest)
    with pytest.raises(StoreError, match=f"still under way .process {parent.pid}"):
        await go_on(files)


async def test_a_run_of_another_version_is_not_gone_on_with(files):
    write_manifest(manifest_in(files).model_copy(update={"halospec": "0.0.1"}), files.manifest)
    with pytest.raises(StoreError, match=r"began with halospec 0\.0\.1"):
        await go_on(files)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"halospec": 1})])
def test_a_manifest_that_is_none_is_one_sentence(files, content):
    files.manifest.write_text(content)
    with pytest.raises(StoreError, match=r"is not a manifest: [^\n]+\.$") as refused:
        settings_to_resume(files.directory, {})
    assert "validation error" not in str(refused.value)


def test_a_run_is_reached_as_it_was_unless_told_otherwise(files):
    assert settings_to_resume(files.directory, {}).url == "http://127.0.0.1:1"
    there = settings_to_resume(files.directory, {"url": "http://127.0.0.1:2", "api_key": "secret"})
    assert there.url == "http://127.0.0.1:2"
    assert there.api_key is not None
    assert there.knob == "draft_length"


def test_a_command_line_whose_key_was_not_kept_has_to_be_given_again(files):
    manifest = manifest_in(files)
    masked = manifest.settings | {"server_command": "server --api-key *** {draft_args}"}
    write_manifest(manifest.model_copy(update={"settings": masked, "knob": "restart"}), files.manifest)
    with pytest.raises(StoreError, match="give --server-command again"):
        settings_to_resume(files.directory, {})


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        (SystemExit(1), Status.FAILED, "what it had to say could not be written"),
        (OSError("the reason"), Status.FAILED, "the reason"),
    ],
)
async def test_however_measuring_ends_the_manifest_says_so(files, ends, status, reason):
    async def run(_progress):
        raise ends

    with pytest.raises(type(ends)):
        await _measure(SimpleNamespace(run=run, files=files), None)
    manifest = manifest_in(files)
    assert (manifest.status, manifest.reason, manifest.process) == (status, reason, None)


def _created_at(pid: int) -> float:
    return psutil.Process(pid).create_time()
