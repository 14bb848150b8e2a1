"""Each check of a run's directory finds its fault, and a sound run passes them all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from halospec.contention.loads import CpuLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.spelling import load_spelled, spelled
from halospec.experiment.identity import pairing_sha256
from halospec.experiment.phases import parse_phases
from halospec.experiment.plan import INTERLEAVED, Plan, Sampling, blocked_plan, interleaved_plan
from halospec.experiment.plan_file import write_plan
from halospec.experiment.run_manifest import with_plan
from halospec.records.loads import InjectedLoad, LoadReport
from halospec.records.manifest import Manifest, Status, write_manifest
from halospec.records.parquet import write_parquet
from halospec.records.probe import ProbedServer, ProbeReport
from halospec.records.schema import PRELOAD, Phase, RequestRecord
from halospec.records.store import RecordJournal, RunFiles, StoreError
from halospec.tuning.account import Tuning, write_tuning
from halospec.validation.types import Check, Validation
from halospec.validation.validate import validate
from halospec.workloads.prompts import Prompt
from made_runs import PROMPT_SET, STARTED_AT, made_host, made_manifest, made_records, made_server

PROMPTS = tuple(Prompt(name, f"Prompt {name}.") for name in ("p1", "p2", "p3", "p4", "p5"))
CPU, MEMORY = Load(CpuLoad(workers=1)), Load(MemoryLoad(4.0))
MEMORY_NAME = spelled(MEMORY)
SECOND_NS = 1_000_000_000


@dataclass
class Made:
    """A run in memory that a test damages before it is written."""

    plan: Plan | None
    manifest: Manifest | None
    records: list[RequestRecord]
    loads: list[LoadReport]

    def written(self, directory: Path) -> RunFiles:
        files = RunFiles(directory)
        for path, lines in ((files.records, self.records), (files.load, self.loads)):
            with RecordJournal(path) as journal:
                for line in lines:
                    journal.append(line)
        if self.plan is not None:
            write_plan(self.plan, files.plan)
        if self.manifest is not None:
            write_manifest(self.manifest, files.manifest)
        return files

    def changed(self, place: int, **changes: object) -> None:
        self.records[place] = self.records[place].model_copy(update=changes)


def done(load: Load, started_ns: int, ended_ns: int) -> InjectedLoad:
    """Return the report of a load that got 95 % of what it was to do."""
    what = load.what
    achieved = 95.0 if what.amount is None else 0.95 * what.amount
    return InjectedLoad(
        name=spelled(load), kind=what.kind, unit=what.unit, workers=what.workers, offered=what.amount,
        achieved=achieved, target=what.amount, started_ns=started_ns, ended_ns=ended_ns,
    )  # fmt: skip


UNMEASURED = {"achieved": None, "target": None, "started_ns": None, "ended_ns": None}


def with_load(report: LoadReport, place: int = 0, **changes: object) -> LoadReport:
    """Return a trial's report with one of its loads changed."""
    loads = list(report.loads)
    loads[place] = loads[place].model_copy(update=changes)
    return report.model_copy(update={"loads": tuple(loads)})


def made(plan: Plan) -> Made:
    """Return a run that carried out its plan: steps 1 to 4 of five are steady and recovery, 3 is under load."""
    manifest = with_plan(made_manifest([]).model_copy(update={"pairing_sha256": pairing_sha256(plan)}), plan)
    ids = {(trial.block, trial.mode): trial.trial_id for trial in manifest.trials}
    template = made_records(modes=("fixed_0",), blocks=1, warmup=0, phases={Phase.STEADY: 1})[0]
    records: list[RequestRecord] = []
    loads: list[LoadReport] = []

    def ask(mode: str, step: int, phase: Phase, prompt: Prompt, block: int, trial: str | None) -> None:
        started_ns = len(records) * SECOND_NS
        is_loaded = phase is Phase.LOAD
        moved = {
            "mode": mode, "step": step, "phase": phase, "block": block, "prompt_id": prompt.prompt_id,
            "global_step": 0 if phase is Phase.WARMUP else sum(not record.is_warmup for record in records) + 1,
            "started_ns": started_ns, "ended_ns": started_ns + template.ended_ns,
            "first_token_ns": started_ns + (template.first_token_ns or 0), "trial_id": trial,
            "load_overlap": 1.0 if is_loaded else 0.0, "load_percent": 95.0 if is_loaded else None,
        }  # fmt: skip
        records.append(template.model_copy(update=moved))

    for trial in plan.trials:
        trial_id = ids[trial.block, trial.mode]
        began_ns = len(records) * SECOND_NS
        for mode in trial.modes:
            ask(mode, 1, Phase.WARMUP, plan.warmup_prompt_at(trial.block, 1), trial.block, trial_id)
        for step in range(1, (trial.phases.steps or 0) + 1):
            phase = Phase.STEADY if not plan.loads or step < 3 else Phase.LOAD if step == 3 else Phase.RECOVERY
            for mode in plan.order_at(trial, step):
                ask(mode, step, phase, plan.prompt_at(trial.block, step), trial.block, trial_id)
        injected = tuple(done(load, began_ns, len(records) * SECOND_NS) for load in plan.loads)
        loads.append(
            LoadReport(block=trial.block, mode=trial.mode, loads=injected, trial_id=trial_id, steps=trial.phases.steps)
        )
    return Made(plan, manifest, records, loads)


def a_plan(*, load: bool = True, design: str = "blocked", loads: tuple[Load, ...] = (CPU,)) -> Plan:
    phases = parse_phases("steady:2,load:1,recovery:1" if load else "steady:4")
    make = blocked_plan if design == "blocked" else interleaved_plan
    plan = make(("fixed_0", "fixed_2"), phases, PROMPTS, blocks=2, warmup=1, seed=1)
    return replace(plan, loads=loads if load else (), sampling=Sampling(33, 0.0, True))


@pytest.fixture
def run() -> Made:
    return made(a_plan())


def probed() -> ProbeReport:
    server = ProbedServer(base_url="http://s", model="m", kind="bundled", title="s", recognised_by="it")
    return ProbeReport(
        halospec="0.1.0", probed_at=STARTED_AT, seconds=1.0, canaries=4, server=server, knobs=(), advice=""
    )


def check(validation: Validation, name: str) -> Check:
    return next(one for one in validation.checks if one.name == name)


def problems(validation: Validation) -> dict[str, str]:
    return {one.name: " ".join(one.problems) for one in validation.checks if one.problems}


@pytest.mark.parametrize("load", [True, False])
@pytest.mark.parametrize("design", ["blocked", INTERLEAVED])
def test_a_sound_run_has_no_problem(tmp_path, load, design):
    whole = made(a_plan(load=load, design=design))
    files = whole.written(tmp_path)
    write_parquet(whole.records, files.parquet)
    validation = validate(tmp_path)
    assert problems(validation) == {}
    assert validation.is_sound
    assert bool(check(validation, "load").notes) is load


def test_without_a_journal_there_is_nothing_to_look_at(tmp_path):
    with pytest.raises(StoreError, match="does not exist; give a run's directory"):
        validate(tmp_path)


def test_a_file_is_no_directory(tmp_path, run):
    with pytest.raises(StoreError, match="is a file; give a run's directory"):
        validate(run.written(tmp_path).records)


def test_a_broken_line_is_found_and_nothing_is_concluded_from_it(tmp_path, run):
    files = run.written(tmp_path)
    lines = files.records.read_bytes().splitlines(keepends=True)
    files.records.write_bytes(b"".join([*lines[:2], b"{broken\n", *lines[3:]]))
    found = problems(validate(tmp_path))
    assert "line 3 is not a record" in found["records"]
    assert set(found) == {"records"}


def test_a_torn_last_line_is_a_note_and_its_trial_incomplete(tmp_path, run):
    files = run.written(tmp_path)
    content = files.records.read_bytes()
    files.records.write_bytes(content[:-20])
    validation = validate(tmp_path)
    assert "cut short" in " ".join(check(validation, "records").notes)
    assert "1 of 4 trials are not complete" in problems(validation)["plan"]


def test_a_trial_that_was_not_carried_out_is_named(tmp_path, run):
    last = run.manifest.trials[-1]
    run.records = [record for record in run.records if record.trial_id != last.trial_id]
    run.loads = run.loads[:-1]
    said = problems(validate(run.written(tmp_path).directory))
    assert f"1 of 4 trials are not complete: {last.mode}." in said["plan"]
    assert "--resume" in said["plan"]
    assert set(said) == {"plan"}


def test_void_records_are_counted_and_make_no_problem(tmp_path, run):
    last = run.manifest.trials[-1]
    of_last = [record for record in run.records if record.trial_id == last.trial_id]
    ahead = [record for record in run.records if record.trial_id != last.trial_id]
    void = [record.model_copy(update={"void": True}) for record in of_last[:3]]
    shift_ns = 100 * SECOND_NS
    times = ("started_ns", "ended_ns", "first_token_ns")
    anew = [
        record.model_copy(
            update={name: getattr(record, name) + shift_ns for name in times}
            | {"trial_attempt": 2, "global_step": record.global_step and record.global_step + 10}
        )
        for record in of_last
    ]
    run.records = [*ahead, *void, *anew]
    cut_short = with_load(run.loads[-1], **UNMEASURED).model_copy(update={"steps": None})
    run.loads = [*run.loads[:-1], cut_short, run.loads[-1].model_copy(update={"trial_attempt": 2})]
    validation = validate(run.written(tmp_path).directory)
    assert problems(validation) == {}
    assert f"3 of {len(run.records)} records are void" in check(validation, "records").notes[0]


def test_the_line_that_is_named_counts_void_records(tmp_path, run):
    run.changed(0, void=True, trial_attempt=1)
    run.changed(5, started_ns=run.records[4].started_ns + 1, latency_ms=999.0)
    said = problems(validate(run.written(tmp_path).directory))["clocks"]
    assert "Record 6 starts before the one ahead of it has ended." in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latency_ms": 1.0}, "latency_ms is not the time between"),
        ({"ttft_ms": 1.0}, "ttft_ms is not the time between"),
        ({"ended_ns": 0}, "ends before it starts"),
        ({"first_token_ns": 0}, "the first token did not come between"),
        ({"event_ms": (3.0, 2.0)}, "its events do not follow each other"),
        ({"global_step": 1}, "global_step does not increase"),
    ],
)
def test_a_clock_that_contradicts_itself_is_found(tmp_path, run, changes, said):
    run.changed(3, **changes)
    found = problems(validate(run.written(tmp_path).directory))
    assert re.search(rf"Record 4:? {said}", found["clocks"])
    assert set(found) == {"clocks"}


def test_many_problems_of_a_kind_are_not_all_listed(tmp_path, run):
    for place in range(len(run.records)):
        run.changed(place, latency_ms=1.0)
    found = check(validate(run.written(tmp_path).directory), "clocks").problems
    assert len(found) == 6
    assert found[-1] == f"{len(run.records) - 5} more of the kind."


def test_load_that_was_never_there_is_found(tmp_path, run):
    run.records = [
        record.model_copy(update={"phase": Phase.STEADY, "load_overlap": 0.0, "load_percent": None})
        if record.phase in (Phase.LOAD, Phase.RECOVERY)
        else record
        for record in run.records
    ]
    run.loads = [with_load(load, **UNMEASURED) for load in run.loads]
    said = problems(validate(run.written(tmp_path).directory))["load"]
    assert "Block 1, fixed_0: no load was measured in a trial that should have had some." in said
    assert "no request of fixed_0, fixed_2 was under it" in said


def test_a_mode_whose_requests_never_met_the_load_is_named(tmp_path, run):
    for place, record in enumerate(run.records):
        if record.mode == "fixed_2" and record.phase is Phase.LOAD:
            run.changed(place, phase=Phase.STEADY)
    said = problems(validate(run.written(tmp_path).directory))["load"]
    assert said == "The plan has load, and no request of fixed_2 was under it."


def test_a_load_that_hardly_ran_is_found(tmp_path):
    run = made(a_plan(loads=(CPU, MEMORY)))
    run.loads[0] = with_load(run.loads[0], 0, achieved=2.0)
    run.loads[1] = with_load(run.loads[1], 1, achieved=0.04)
    first, second = check(validate(run.written(tmp_path).directory), "load").problems
    assert first.endswith(f": {spelled(CPU)} got 2.0 % and was to do 100 %.")
    assert second.endswith(f": {MEMORY_NAME} got 0.04 GB/s and was to do 4.0 GB/s.")


def test_a_load_is_judged_by_what_its_profile_asked_for(tmp_path, run):
    run.loads[0] = with_load(run.loads[0], achieved=2.0, target=2.5)
    assert validate(run.written(tmp_path).directory).is_sound


def test_a_command_has_no_amount_that_it_could_fall_short_of(tmp_path):
    run = made(a_plan(loads=(Load(ProcessLoad(("sleep", "60"))),)))
    run.loads[0] = with_load(run.loads[0], achieved=0.0)
    validation = validate(run.written(tmp_path).directory)
    assert validation.is_sound
    assert check(validation, "load").notes == ("process:sleep 60 got 0.0 to 95 % of a core over 4 trials with load.",)


ENDED = "it ended before the load was to end, saying: no space left"


def test_a_load_that_ended_by_itself_is_found(tmp_path):
    run = made(a_plan(loads=(CPU, MEMORY)))
    run.loads[1] = with_load(run.loads[1], 1, ended_early=ENDED)
    (said,) = check(validate(run.written(tmp_path).directory), "load").problems
    assert said == f"Block 1, {run.loads[1].mode}, {MEMORY_NAME}: {ENDED}."


def test_the_load_of_an_attempt_that_is_void_is_neither_a_problem_nor_counted(tmp_path, run):
    first = run.loads[0].trial_id
    given_up = [r.model_copy(update={"void": True}) for r in run.records if r.trial_id == first]
    weak = with_load(run.loads[0], ended_early=ENDED, achieved=1.0).model_copy(update={"steps": None})
    anew = [r.model_copy(update={"trial_attempt": 2}) if r.trial_id == first else r for r in run.records]
    run.records = [*given_up, *anew]
    run.loads = [weak, run.loads[0].model_copy(update={"trial_attempt": 2}), *run.loads[1:]]
    validation = validate(run.written(tmp_path).directory)
    assert "load" not in problems(validation)
    assert f"over {len(run.loads) - 1} trials with load" in check(validation, "load").notes[0]


def test_the_name_of_a_replay_is_cut(tmp_path):
    values = "/".join(f"{second}s:50%" for second in range(200))
    run = made(a_plan(loads=(load_spelled(f"cpu:75%@workers=1@profile=replay,at={values}"),)))
    (said,) = check(validate(run.written(tmp_path).directory), "load").notes
    assert said.startswith("cpu:75%@workers=1@profile=replay,at=0s:50%/")
    assert len(said) < 150


def test_too_short_a_load_is_not_judged(tmp_path, run):
    run.loads[0] = with_load(run.loads[0], achieved=2.0, ended_ns=run.loads[0].loads[0].started_ns)
    assert validate(run.written(tmp_path).directory).is_sound


def test_what_each_load_got_is_a_note(tmp_path):
    run = made(a_plan(loads=(CPU, MEMORY)))
    run.loads[0] = with_load(run.loads[0], 1, achieved=3.0)
    validation = validate(run.written(tmp_path).directory)
    assert problems(validation) == {}
    assert check(validation, "load").notes == (
        f"{spelled(CPU)} got 95 % over 4 trials with load.",
        f"{MEMORY_NAME} got 3.0 to 3.8 GB/s over 4 trials with load.",
    )


def test_one_load_of_several_that_was_never_there_is_found(tmp_path):
    run = made(a_plan(loads=(CPU, MEMORY)))
    run.loads[0] = with_load(run.loads[0], 1, **UNMEASURED)
    said = problems(validate(run.written(tmp_path).directory))["load"]
    assert f"nothing of {MEMORY_NAME} was measured, which should have run beside {spelled(CPU)}." in said


def test_the_lines_of_a_run_from_when_there_were_only_burners_are_judged_too(tmp_path, run):
    files = run.written(tmp_path)
    files.load.write_text(
        "".join(
            json.dumps(
                {
                    "block": report.block, "mode": report.mode, "workers": 1, "offered_percent": 100.0,
                    "achieved_percent": 2.0 if report is run.loads[0] else 95.0, "trial_id": report.trial_id,
                    "started_ns": 0, "ended_ns": 5 * SECOND_NS, "samples": [[0, 5 * SECOND_NS, 95.0]],
                    "steps": report.steps,
                }
            ) + "\n"
            for report in run.loads
        )
    )  # fmt: skip
    validation = validate(tmp_path)
    (weak,) = check(validation, "load").problems
    assert "cpu:100%@workers=1 got 2.0 % and was to do 100 %." in weak
    assert check(validation, "load").notes == ("cpu:100%@workers=1 got 2.0 to 95 % over 4 trials with load.",)


def test_the_second_part_of_a_resumed_trial_may_begin_after_the_load(tmp_path):
    run = made(a_plan(design=INTERLEAVED))
    first = run.loads[0]
    resumed = with_load(first, **UNMEASURED)
    run.loads = [first.model_copy(update={"steps": None}), resumed, *run.loads[1:]]
    validation = validate(run.written(tmp_path).directory)
    assert problems(validation) == {}
    assert "over 2 trials with load" in check(validation, "load").notes[0]


def test_a_resumed_trial_whose_first_line_was_lost_is_known_by_its_records(tmp_path):
    run = made(a_plan(design=INTERLEAVED))
    run.loads[0] = with_load(run.loads[0], **UNMEASURED)
    assert validate(run.written(tmp_path).directory).is_sound


def test_a_line_of_load_that_a_kill_swallowed_is_a_note(tmp_path, run):
    run.loads = run.loads[:-1]
    validation = validate(run.written(tmp_path).directory)
    assert problems(validation) == {}
    assert "Of 1 complete trial with load there is no line in load.jsonl" in " ".join(check(validation, "load").notes)


def test_a_broken_line_of_load_is_found(tmp_path, run):
    files = run.written(tmp_path)
    files.load.write_bytes(b"{}\n" + files.load.read_bytes())
    assert "load.jsonl, line 1" in problems(validate(tmp_path))["load"]


def test_preload_is_nobodys_and_no_problem(tmp_path, run):
    shifted = [
        record.model_copy(
            update={name: getattr(record, name) + SECOND_NS for name in ("started_ns", "ended_ns", "first_token_ns")}
        )
        for record in run.records
    ]
    preload = run.records[0].model_copy(update={"mode": PRELOAD})
    run.records = [preload, *shifted]
    assert problems(validate(run.written(tmp_path).directory)) == {}


def test_a_table_of_another_state_is_found(tmp_path, run):
    files = run.written(tmp_path)
    write_parquet(run.records[:-1], files.parquet)
    assert problems(validate(tmp_path)) == {"parquet": "records.parquet holds other records than the journal."}
    others = [record.model_copy(update={"success": False, "error": "http 500"}) for record in run.records]
    write_parquet(others, files.parquet)
    assert "other records" in problems(validate(tmp_path))["parquet"]
    files.parquet.write_bytes(b"PAR1")
    assert "not a readable Parquet file" in problems(validate(tmp_path))["parquet"]


def test_a_plan_and_a_manifest_that_disagree_are_found(tmp_path, run):
    run.plan = run.plan.with_blocks(3)
    assert "do not name the same trials" in problems(validate(run.written(tmp_path / "longer").directory))["plan"]
    run.plan = replace(a_plan(), seed=2)
    assert "is another plan than the one" in problems(validate(run.written(tmp_path / "seed").directory))["plan"]


def test_a_plan_that_is_gone_is_missed(tmp_path, run):
    run.plan = None
    assert "There is no plan.json" in problems(validate(run.written(tmp_path).directory))["plan"]


def test_a_plan_that_cannot_be_read_is_found(tmp_path, run):
    files = run.written(tmp_path)
    files.plan.write_text("[]")
    found = problems(validate(tmp_path))
    assert set(found) == {"plan"}
    assert "is not a plan" in found["plan"]


def test_records_of_another_run_are_found(tmp_path, run):
    run.changed(3, trial_id="another")
    assert (
        "Record 4 belongs to no trial of manifest.json." in problems(validate(run.written(tmp_path).directory))["plan"]
    )


def test_a_step_that_is_there_twice_is_found(tmp_path, run):
    run.changed(3, step=run.records[2].step, prompt_id=run.records[2].prompt_id)
    assert (
        "Record 4 is a step of its trial that is there already."
        in (problems(validate(run.written(tmp_path).directory))["plan"])
    )


def test_another_prompt_than_the_planned_one_is_found(tmp_path, run):
    run.changed(3, prompt_id="p99")
    assert (
        "Record 4 has the prompt p99, where the plan has p"
        in problems(validate(run.written(tmp_path).directory))["plan"]
    )


def test_a_run_from_before_there_were_plans_is_sound_and_that_is_said(tmp_path):
    records = [record.model_copy(update={"trial_id": None}) for record in made_records()]
    run = Made(None, made_manifest(records), records, [])
    validation = validate(run.written(tmp_path).directory)
    assert problems(validation) == {}
    assert "a version that kept none" in check(validation, "plan").notes[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [(Status.RUNNING, "under way"), (Status.INTERRUPTED, "was interrupted"), (Status.FAILED, "had to stop: no server")],
)
def test_how_a_run_ended_is_a_note(tmp_path, run, status, said):
    run.manifest = run.manifest.model_copy(update={"status": status, "reason": "no server"})
    assert said in check(validate(run.written(tmp_path).directory), "manifest").notes[0]


def test_a_manifest_that_is_missing_broken_or_newer_is_found(tmp_path, run):
    files = run.written(tmp_path)
    newer = json.loads(files.manifest.read_text()) | {"schema_version": 99}
    files.manifest.write_text(json.dumps(newer))
    assert "schema version 99" in problems(validate(tmp_path))["manifest"]
    files.manifest.write_text("{")
    assert "manifest.json is not a" in problems(validate(tmp_path))["manifest"]
    files.manifest.unlink()
    assert problems(validate(tmp_path))["manifest"] == "There is no manifest.json."


def test_a_placebo_says_so(tmp_path, run):
    run.changed(3, placebo=True)
    validation = validate(run.written(tmp_path).directory)
    assert validation.is_sound
    assert check(validation, "draft length").notes[0].startswith("PLACEBO")


def test_an_empty_journal_is_found(tmp_path, run):
    run.records = []
    assert "There are no records." in problems(validate(run.written(tmp_path).directory))["records"]


def test_a_search_has_no_manifest_and_says_what_it_is(tmp_path, run):
    run.manifest = run.plan = None
    files = run.written(tmp_path)
    account = Tuning(
        halospec="0.1.0",
        status=Status.INTERRUPTED,
        reason="interrupted by the user",
        started_at=STARTED_AT,
        settings={},
        knob="draft_length",
        probe=probed(),
        budget=10,
        server=made_server(),
        host=made_host(),
        packages={},
        prompt_set_sha256=PROMPT_SET,
    )
    write_tuning(account, files.directory)
    validation = validate(tmp_path)
    assert problems(validation) == {}
    notes = " ".join(check(validation, "manifest").notes)
    assert "a search of `halospec tune`" in notes
    assert "no result: interrupted by the user" in notes


def test_decisions_are_looked_at_where_there_are_any(tmp_path, run):
    files = run.written(tmp_path)
    assert "decisions" not in {one.name for one in validate(tmp_path).checks}
    files.decisions.write_text('{"mode": "cost_model"}\n')
    assert "decisions.jsonl, line 1 is not a record" in problems(validate(tmp_path))["decisions"]
    files.decisions.write_text(
        '{"mode": "cost_model", "block": 1, "step": 1, "chosen": {"draft_length": 2}, "reason": ""}\n'
    )
    assert problems(validate(tmp_path)) == {}
