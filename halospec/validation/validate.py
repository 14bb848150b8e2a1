"""Looking at everything in a run's directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from halospec.experiment.coverage import coverage_of
from halospec.experiment.run_manifest import trial_ids_of
from halospec.records.parquet import RecordTable
from halospec.records.store import RunFiles, StoreError
from halospec.validation.clocks import clock_problems, order_problems
from halospec.validation.coverage import coverage_notes, disagreement, other_prompts, strays, uncovered
from halospec.validation.load import load_notes, missing_load, unloaded_modes
from halospec.validation.reading import decisions_in, load_reports_in, manifest_in, plan_in, records_in
from halospec.validation.types import Check, ReadRun, Validation, shortened


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
    manifest_check, manifest = manifest_in(files)
    records_check, records = records_in(files)
    plan_problems, plan = plan_in(files)
    load_problems, loads = load_reports_in(files)
    run = ReadRun(files, manifest, plan, records or (), loads)
    if records is None:
        # What else there is to say follows from records that cannot be read.
        unread = tuple(
            Check(name=name, problems=said) for name, said in (("plan", plan_problems), ("load", load_problems))
        )
        return Validation(directory=str(directory), checks=(manifest_check, records_check, *unread))
    other_plan = disagreement(run)
    if not other_plan and plan is not None and manifest is not None:
        run = replace(run, covered=coverage_of(plan, trial_ids_of(manifest), records, loads))
    coverage_problems = (*other_plan, *uncovered(run), *shortened([*strays(run), *other_prompts(run)]))
    return Validation(
        directory=str(directory),
        checks=(
            manifest_check,
            records_check,
            Check(name="plan", problems=(*plan_problems, *coverage_problems), notes=coverage_notes(run)),
            Check(name="clocks", problems=shortened([*clock_problems(records), *order_problems(run)])),
            Check(
                name="load",
                problems=(*load_problems, *shortened([*missing_load(run)]), *unloaded_modes(run)),
                notes=load_notes(run),
            ),
            Check(name="draft length", notes=_placebo_note(run)),
            *decisions_in(files),
            _parquet(run),
        ),
    )


def _placebo_note(run: ReadRun) -> tuple[str, ...]:
    if any(record.placebo for record in run.records):
        return ("PLACEBO: nothing shows that k has an effect on this server.",)
    return ()


def _parquet(run: ReadRun) -> Check:
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
