"""Whether a run's directory holds what it should: files readable, the plan carried out, clocks sound, load there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from halospec.contention.report import LoadReport
from halospec.experiment.coverage import Coverage, coverage_of
from halospec.experiment.identity import pairing_sha256
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.plan_file import read_plan
from halospec.experiment.run_manifest import trial_ids_of
from halospec.records.manifest import Manifest, Status, read_manifest
from halospec.records.parquet import RecordTable
from halospec.records.schema import PRELOAD, SCHEMA_VERSION, Phase, RequestRecord
from halospec.records.store import RunFiles, StoreError, read_lines, read_records
from halospec.tuning.account import read_tuning, tuning_file

LOAD_FELT_ABOVE = 0.1
"""Burners that got less than this share of what they asked for were hardly there."""

LOAD_TOLD_FROM_S = 1.0
"""A system counts CPU time in steps of some 10 ms: over less than this, what burners got cannot be told so well."""

_SHOWN = 5
_TIME_WITHIN_MS = 0.01


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
    """What could be read of a run.

    Attributes
    ----------
    covered
        ``None`` where it is not known what was planned, or the journal cannot be read.
    """

    files: RunFiles
    manifest: Manifest | None
    plan: Plan | None
    records: tuple[RequestRecord, ...]
    loads: tuple[LoadReport, ...]
    covered: Coverage | None = None

    @property
    def is_search(self) -> bool:
        """Whether `halospec tune` made it."""
        return tuning_file(self.files.directory).exists()

    @property
    def valid(self) -> Iterator[tuple[int, RequestRecord]]:
        """The records that statistics may cover, and warm-ups, with their lines."""
        return ((line, record) for line, record in enumerate(self.records, start=1) if not record.void)

    @property
    def planned_with_load(self) -> Iterator[tuple[_Part, Trial]]:
        """The trials that are complete and should have had load."""
        if self.plan is None or self.manifest is None or self.covered is None:
            return
        ids = trial_ids_of(self.manifest)
        for trial in self.plan.trials:
            so_far = self.covered.of(trial)
            if trial.phases.load is not None and so_far.done:
                yield (ids(trial), so_far.attempt), trial


_Part = tuple[str, int]
"""A trial, by its id or, in records from before there was one, by its place; and its attempt."""


def validate(directory: Path) -> Validation:
    """Look at everything in a run's directory.

    Raises
    ------
    StoreError
        If there is no journal there.
    """
    if directory.is_file():
        raise StoreError(f"{directory} is a file; give a run's directory.")
    files = RunFiles(directory)
    if not files.records.is_file():
        raise StoreError(f"{files.records} does not exist; give a run's directory.")
    manifest_check, manifest = _manifest(files)
    records_check, records = _records(files)
    plan_problems, plan = _plan(files)
    load_problems, loads = _load_reports(files)
    run = _Run(files, manifest, plan, records or (), loads)
    if records is None:
        # What else there is to say follows from records that cannot be read.
        unread = tuple(
            Check(name=name, problems=said) for name, said in (("plan", plan_problems), ("load", load_problems))
        )
        return Validation(directory=str(directory), checks=(manifest_check, records_check, *unread))
    disagreement = _disagreement(run)
    if not disagreement and plan is not None and manifest is not None:
        run = replace(run, covered=coverage_of(plan, trial_ids_of(manifest), records, loads))
    coverage_problems = (*disagreement, *_uncovered(run), *_shortened([*_strays(run), *_other_prompts(run)]))
    return Validation(
        directory=str(directory),
        checks=(
            manifest_check,
            records_check,
            Check(name="plan", problems=(*plan_problems, *coverage_problems), notes=_coverage_notes(run)),
            Check(name="clocks", problems=_shortened([*_clock_problems(records), *_order_problems(run)])),
            Check(
                name="load",
                problems=(*load_problems, *_shortened([*_missing_load(run)]), *_unloaded_modes(run)),
                notes=_load_notes(run),
            ),
            Check(name="draft length", notes=_placebo_note(run)),
            _parquet(run),
        ),
    )


def _manifest(files: RunFiles) -> tuple[Check, Manifest | None]:
    try:
        manifest = read_manifest(files.manifest)
        if manifest is None and tuning_file(files.directory).exists():
            return _search(files.directory), None
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


def _search(directory: Path) -> Check:
    tuning = read_tuning(directory)
    notes = ["This is a search of `halospec tune`, which has tune.json instead of a manifest and a plan."]
    if tuning.status is not Status.COMPLETE:
        notes.append(f"It has no result: {tuning.reason or 'it is under way, or it was killed'}.")
    return Check(name="manifest", notes=tuple(notes))


def _records(files: RunFiles) -> tuple[Check, tuple[RequestRecord, ...] | None]:
    try:
        journal = read_records(files.directory)
    except StoreError as problem:
        return Check(name="records", problems=(str(problem),)), None
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
    reports: list[LoadReport] = []
    try:
        # What stands ahead of a broken line is kept.
        reports.extend(read_lines(files.load, LoadReport))
    except StoreError as problem:
        return (str(problem),), tuple(reports)
    return (), tuple(reports)


def _disagreement(run: _Run) -> tuple[str, ...]:
    """Say whether the plan is another one than the manifest's."""
    if run.plan is None:
        missing = run.manifest is not None and any(trial.trial_id for trial in run.manifest.trials)
        if missing and not run.files.plan.exists():
            return ("There is no plan.json, although the manifest's trials come from one.",)
        return ()
    if run.manifest is None:
        return ()
    known = {(trial.block, trial.mode) for trial in run.manifest.trials}
    if not known >= {(trial.block, trial.mode) for trial in run.plan.trials}:
        return ("manifest.json and plan.json do not name the same trials.",)
    if run.manifest.pairing_sha256 not in (None, pairing_sha256(run.plan)):
        return ("plan.json is another plan than the one that manifest.json was written for.",)
    return ()


def _uncovered(run: _Run) -> tuple[str, ...]:
    if run.plan is None or run.covered is None:
        return ()
    unfinished = [trial for trial in run.plan.trials if not run.covered.of(trial).done]
    if not unfinished:
        return ()
    return (
        f"{len(unfinished)} of {len(run.plan.trials)} trials are not complete: {_named(unfinished)}."
        " `halospec run --resume` goes on with them.",
    )


def _strays(run: _Run) -> Iterator[str]:
    """Say which records belong to no trial, and which are there twice."""
    known = {trial.trial_id for trial in run.manifest.trials} - {None} if run.manifest else set()
    seen = set()
    for line, record in run.valid:
        if known and record.trial_id not in known:
            yield f"Record {line} belongs to no trial of manifest.json."
        if record.mode == PRELOAD or record.trial_id is None:
            continue
        turn = (record.trial_id, record.trial_attempt, record.is_warmup, record.step, record.mode)
        if turn in seen:
            yield f"Record {line} is a step of its trial that is there already."
        seen.add(turn)


def _other_prompts(run: _Run) -> Iterator[str]:
    if run.plan is None or run.covered is None:
        return
    for line, record in run.valid:
        if not record.is_warmup:
            planned = run.plan.prompt_at(record.block, record.step).prompt_id
            if record.prompt_id != planned:
                yield f"Record {line} has the prompt {record.prompt_id}, where the plan has {planned}."


def _coverage_notes(run: _Run) -> tuple[str, ...]:
    if run.plan is None and not run.is_search and not any(record.trial_id for record in run.records):
        return ("There is no plan.json: the run is from a version that kept none, so coverage was not looked at.",)
    return ()


def _clock_problems(records: Iterable[RequestRecord]) -> Iterator[str]:
    for number, record in enumerate(records, start=1):
        if record.ended_ns < record.started_ns:
            yield f"Record {number} ends before it starts."
            continue
        if _apart(record.latency_ms, record.started_ns, record.ended_ns):
            yield f"Record {number}: latency_ms is not the time between started_ns and ended_ns."
        first_ns = record.first_token_ns
        if first_ns is not None and not record.started_ns <= first_ns <= record.ended_ns:
            yield f"Record {number}: the first token did not come between its start and its end."
        elif (
            first_ns is not None and record.ttft_ms is not None and _apart(record.ttft_ms, record.started_ns, first_ns)
        ):
            yield f"Record {number}: ttft_ms is not the time between started_ns and first_token_ns."
        if any(later < earlier for earlier, later in pairwise(record.event_ms)):
            yield f"Record {number}: its events do not follow each other in time."


def _apart(told_ms: float, from_ns: int, to_ns: int) -> bool:
    return abs((to_ns - from_ns) / 1e6 - told_ms) > _TIME_WITHIN_MS


def _order_problems(run: _Run) -> Iterator[str]:
    for (_, earlier), (line, later) in pairwise(run.valid):
        if later.started_ns < earlier.ended_ns:
            yield f"Record {line} starts before the one ahead of it has ended."
    steps = [(line, record.global_step) for line, record in run.valid if not record.is_warmup]
    for (_, before), (line, after) in pairwise(steps):
        if after <= before:
            yield f"Record {line}: global_step does not increase from one measured request to the next."


def _missing_load(run: _Run) -> Iterator[str]:
    """Say which trials lacked the load that they should have had.

    A trial that was resumed has a line of ``load.jsonl`` for each of its parts, of which one that began after the load
    measured none; and one whose process was killed right after its last request has none at all.
    """
    loaded = {_part(record.trial_id, record) for _, record in run.valid if record.load_overlap > 0}
    reports: defaultdict[_Part, list[LoadReport]] = defaultdict(list)
    for report in run.loads:
        if report.workers > 0:
            reports[_part(report.trial_id, report)].append(report)
    for part, trial in run.planned_with_load:
        if part not in reports and part not in loaded:
            yield f"Block {trial.block}, {trial.mode}: there is no sign of the load that it should have had."
    for part, of_part in reports.items():
        felt = part in loaded or any(report.achieved_percent is not None for report in of_part)
        if not felt and any(report.steps is not None for report in of_part):
            first = of_part[0]
            yield f"Block {first.block}, {first.mode}: no load was measured in a trial that should have had some."
        yield from filter(None, map(_weakness, of_part))


def _weakness(report: LoadReport) -> str | None:
    got, offered = report.achieved_percent, report.offered_percent
    lasted_s = ((report.ended_ns or 0) - (report.started_ns or 0)) / 1e9
    if got is None or lasted_s < LOAD_TOLD_FROM_S or got >= LOAD_FELT_ABOVE * offered:
        return None
    where = f"Block {report.block}, {report.mode}"
    return f"{where}: the burners got {got:.1f} % of their cores and asked for {offered:.0f} %."


def _part(trial_id: str | None, of: LoadReport | RequestRecord) -> _Part:
    return trial_id or f"{of.block}/{of.mode}", of.trial_attempt


def _unloaded_modes(run: _Run) -> tuple[str, ...]:
    """Name the modes of which no request met the load that their trials had."""
    meant = dict.fromkeys(mode for _, trial in run.planned_with_load for mode in trial.modes)
    met = {record.mode for _, record in run.valid if record.phase is Phase.LOAD}
    without = [mode for mode in meant if mode not in met]
    if not without:
        return ()
    return (f"The plan has load, and no request of {', '.join(without)} was under it.",)


def _load_notes(run: _Run) -> tuple[str, ...]:
    notes = []
    got = [report.achieved_percent for report in run.loads if report.achieved_percent is not None]
    if got:
        trials = len({_part(report.trial_id, report) for report in run.loads if report.achieved_percent is not None})
        notes.append(f"Burners got {min(got):.0f} to {max(got):.0f} % of their cores over {trials} trials with load.")
    reported = {_part(report.trial_id, report) for report in run.loads}
    untold = sum(part not in reported for part, _ in run.planned_with_load)
    if untold:
        notes.append(
            f"{untold} complete trials with load have no line in {run.files.load.name}: the run was killed before it"
            " was written. What load their requests met is in the records."
        )
    return tuple(notes)


def _placebo_note(run: _Run) -> tuple[str, ...]:
    if any(record.placebo for record in run.records):
        return ("PLACEBO: nothing shows that k has an effect on this server.",)
    return ()


def _parquet(run: _Run) -> Check:
    if not run.files.parquet.exists():
        return Check(name="parquet")
    try:
        table = RecordTable(run.files.parquet)
        in_table = zip(*(table.column(name).to_pylist() for name in ("ended_ns", "success", "void")), strict=True)
        # Tables from before records could be void have no such column.
        differs = [(ended_ns, success, bool(void)) for ended_ns, success, void in in_table] != [
            (record.ended_ns, record.success, record.void) for record in run.records
        ]
        is_current = table.is_made_of(run.files.records)
    except StoreError as problem:
        return Check(name="parquet", problems=(str(problem),))
    if differs:
        return Check(name="parquet", problems=(f"{run.files.parquet.name} holds other records than the journal.",))
    if not is_current:
        stale = "It was not made from the journal as it is now by this HaloSpec; commands read the journal."
        return Check(name="parquet", notes=(stale,))
    return Check(name="parquet")


def _named(trials: Sequence[Trial]) -> str:
    by_mode = Counter(trial.mode for trial in trials)
    return ", ".join(f"{mode} ({count})" if count > 1 else mode for mode, count in by_mode.items())


def _shortened(problems: Sequence[str]) -> tuple[str, ...]:
    if len(problems) <= _SHOWN:
        return tuple(problems)
    return (*problems[:_SHOWN], f"{len(problems) - _SHOWN} more of the kind.")
