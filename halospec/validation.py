"""Whether a run's directory holds what it should: files readable, the plan carried out, clocks sound, load there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from halospec.contention.report import LoadReport
from halospec.experiment.coverage import coverage_of
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.plan_file import read_plan
from halospec.experiment.run_manifest import trial_ids_of
from halospec.records.manifest import Manifest, Status, read_manifest
from halospec.records.parquet import RecordTable
from halospec.records.schema import SCHEMA_VERSION, Phase, RequestRecord
from halospec.records.store import RunFiles, StoreError, read_records

LOAD_FELT_ABOVE = 0.1
"""Burners that got less than this share of what they asked for were hardly there."""

LOAD_TOLD_FROM_S = 1.0
"""A system counts CPU time in steps of some 10 ms: over less than this, what burners got cannot be told so well."""

_SHOWN = 5
_LATENCY_WITHIN_MS = 0.01


class Check(BaseModel):
    """One thing that was looked at.

    Attributes
    ----------
    problems
        What is wrong, a sentence each.
    notes
        What a reader of the run should know, though nothing is wrong.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Validation(BaseModel):
    """All checks of a run."""

    model_config = ConfigDict(frozen=True)

    directory: str
    checks: tuple[Check, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(check.problems for check in self.checks)


@dataclass(frozen=True)
class _Run:
    """What could be read of a run."""

    files: RunFiles
    manifest: Manifest | None
    plan: Plan | None
    records: tuple[RequestRecord, ...]
    loads: tuple[LoadReport, ...]

    @property
    def valid(self) -> tuple[RequestRecord, ...]:
        """The records that statistics may cover, and warm-ups."""
        return tuple(record for record in self.records if not record.void)


def validate(directory: Path) -> Validation:
    """Look at everything in a run's directory.

    Raises
    ------
    StoreError
        If there is no journal there.
    """
    files = RunFiles(directory)
    if not files.records.is_file():
        raise StoreError(f"{files.records} does not exist; give a run's directory.")
    manifest_check, manifest = _manifest(files)
    records_check, records = _records(files)
    plan_problems, plan = _plan(files)
    load_problems, loads = _load_reports(files)
    run = _Run(files, manifest, plan, records, loads)
    return Validation(
        directory=str(directory),
        checks=(
            manifest_check,
            records_check,
            Check(name="plan", problems=(*plan_problems, *_uncovered(run)), notes=_coverage_notes(run)),
            Check(name="clocks", problems=_shortened([*_clock_problems(records), *_order_problems(run.valid)])),
            Check(name="load", problems=(*load_problems, *_missing_load(run)), notes=_load_notes(run)),
            Check(name="draft length", notes=_placebo_note(run)),
            Check(name="parquet", problems=_parquet_problems(run)),
        ),
    )


def _manifest(files: RunFiles) -> tuple[Check, Manifest | None]:
    try:
        manifest = read_manifest(files.manifest)
    except StoreError as problem:
        return Check(name="manifest", problems=(str(problem),)), None
    if manifest is None:
        return Check(name="manifest", problems=("There is no manifest.json.",)), None
    if manifest.schema_version > SCHEMA_VERSION:
        newer = f"It was written with schema version {manifest.schema_version}; this HaloSpec knows {SCHEMA_VERSION}."
        return Check(name="manifest", problems=(newer,)), manifest
    notes = {
        Status.RUNNING: (
            "It says that the run is under way: it still is, or it was killed (`halospec run --resume`).",
        ),
        Status.INTERRUPTED: ("The run was interrupted; `halospec run --resume` goes on with it.",),
        Status.FAILED: (f"The run had to stop: {manifest.reason}",),
    }.get(manifest.status, ())
    return Check(name="manifest", notes=notes), manifest


def _records(files: RunFiles) -> tuple[Check, tuple[RequestRecord, ...]]:
    try:
        journal = read_records(files.directory)
    except StoreError as problem:
        return Check(name="records", problems=(str(problem),)), ()
    voided = sum(record.void for record in journal.records)
    notes = []
    if journal.torn:
        notes.append("The last line is cut short (the run was stopped while writing it).")
    if voided:
        notes.append(f"{voided} of {len(journal.records)} records are void: their trials were begun anew.")
    if not journal.records:
        return Check(name="records", problems=("There are no records.",), notes=tuple(notes)), ()
    return Check(name="records", notes=tuple(notes)), journal.records


def _plan(files: RunFiles) -> tuple[tuple[str, ...], Plan | None]:
    if not files.plan.exists():
        return (), None
    try:
        return (), read_plan(files.plan)
    except StoreError as problem:
        return (str(problem),), None


def _load_reports(files: RunFiles) -> tuple[tuple[str, ...], tuple[LoadReport, ...]]:
    if not files.load.exists():
        return (), ()
    lines = files.load.read_bytes().split(b"\n")
    reports = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            reports.append(LoadReport.model_validate_json(line))
        except ValidationError:
            return (f"{files.load.name}, line {number} is not a load report.",), tuple(reports)
    return (), tuple(reports)


def _uncovered(run: _Run) -> tuple[str, ...]:
    if run.plan is None:
        return ()
    known = {(trial.block, trial.mode) for trial in run.manifest.trials} if run.manifest else set()
    if run.manifest is None or not known >= {(trial.block, trial.mode) for trial in run.plan.trials}:
        return ("manifest.json and plan.json do not name the same trials.",)
    covered = coverage_of(run.plan, trial_ids_of(run.manifest), run.records, run.loads)
    unfinished = [trial for trial in run.plan.trials if not covered.of(trial).done]
    if not unfinished:
        return ()
    return (
        f"{len(unfinished)} of {len(run.plan.trials)} trials are not complete: {_named(unfinished)}."
        " `halospec run --resume` goes on with them.",
    )


def _coverage_notes(run: _Run) -> tuple[str, ...]:
    if run.plan is None and not any(record.trial_id for record in run.records):
        return ("There is no plan.json: the run is from a version that kept none, so coverage was not looked at.",)
    return ()


def _clock_problems(records: Iterable[RequestRecord]) -> Iterator[str]:
    for number, record in enumerate(records, start=1):
        if record.ended_ns < record.started_ns:
            yield f"Record {number} ends before it starts."
            continue
        if abs((record.ended_ns - record.started_ns) / 1e6 - record.latency_ms) > _LATENCY_WITHIN_MS:
            yield f"Record {number}: latency_ms is not the time between started_ns and ended_ns."
        first_ns = record.first_token_ns
        if first_ns is not None and not record.started_ns <= first_ns <= record.ended_ns:
            yield f"Record {number}: the first token did not come between its start and its end."
        if any(later < earlier for earlier, later in pairwise(record.event_ms)):
            yield f"Record {number}: its events do not follow each other in time."


def _order_problems(records: Sequence[RequestRecord]) -> Iterator[str]:
    for number, (earlier, later) in enumerate(pairwise(records), start=2):
        if later.started_ns < earlier.ended_ns:
            yield f"Record {number} starts before the one ahead of it has ended."
    steps = [record.global_step for record in records if not record.is_warmup]
    if any(later <= earlier for earlier, later in pairwise(steps)):
        yield "global_step does not increase from one measured request to the next."


def _missing_load(run: _Run) -> Iterator[str]:
    if run.plan is None:
        return
    with_load = {(trial.block, trial.mode) for trial in run.plan.trials if trial.phases.load is not None}
    reported = [report for report in run.loads if (report.block, report.mode) in with_load]
    for report in reported:
        if report.steps is None:
            continue
        if report.achieved_percent is None:
            yield f"Block {report.block}, {report.mode}: no load was measured in a trial that should have had some."
        elif _lasted_s(report) >= LOAD_TOLD_FROM_S and (
            report.achieved_percent < LOAD_FELT_ABOVE * report.offered_percent
        ):
            yield (
                f"Block {report.block}, {report.mode}: the burners got {report.achieved_percent:.1f} % of their cores"
                f" and asked for {report.offered_percent:.0f} %."
            )
    if with_load and run.valid and not any(record.phase is Phase.LOAD for record in run.valid):
        yield "The plan has load phases, and no request was under load."


def _lasted_s(report: LoadReport) -> float:
    return ((report.ended_ns or 0) - (report.started_ns or 0)) / 1e9


def _load_notes(run: _Run) -> tuple[str, ...]:
    got = [report.achieved_percent for report in run.loads if report.achieved_percent is not None]
    if not got:
        return ()
    return (f"Burners got {min(got):.0f} to {max(got):.0f} % of their cores over {len(got)} trials with load.",)


def _placebo_note(run: _Run) -> tuple[str, ...]:
    if any(record.placebo for record in run.records):
        return ("PLACEBO: nothing shows that k has an effect on this server.",)
    return ()


def _parquet_problems(run: _Run) -> tuple[str, ...]:
    if not run.files.parquet.exists():
        return ()
    try:
        table = RecordTable(run.files.parquet)
    except StoreError as problem:
        return (str(problem),)
    if len(table) == len(run.records):
        return ()
    return (f"{run.files.parquet.name} holds {len(table)} records and the journal {len(run.records)}.",)


def _named(trials: Sequence[Trial]) -> str:
    by_mode = Counter(trial.mode for trial in trials)
    return ", ".join(f"{mode} ({count})" if count > 1 else mode for mode, count in by_mode.items())


def _shortened(problems: Sequence[str]) -> tuple[str, ...]:
    if len(problems) <= _SHOWN:
        return tuple(problems)
    return (*problems[:_SHOWN], f"{len(problems) - _SHOWN} more of the kind.")
