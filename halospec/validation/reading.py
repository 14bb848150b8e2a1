"""Reading a run's files, and what is wrong with each by itself."""

from __future__ import annotations

from pathlib import Path

from halospec.experiment.plan import Plan
from halospec.experiment.plan_file import read_plan
from halospec.records.decisions import DecisionRecord
from halospec.records.loads import LoadReport
from halospec.records.manifest import Manifest, Status, read_manifest
from halospec.records.schema import SCHEMA_VERSION, RequestRecord
from halospec.records.store import RunFiles, StoreError, read_lines, read_records
from halospec.tuning.account import read_tuning, tuning_file
from halospec.validation.types import Check


def manifest_in(files: RunFiles) -> tuple[Check, Manifest | None]:
    """Read the manifest; None where there is none that can be read."""
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


def records_in(files: RunFiles) -> tuple[Check, tuple[RequestRecord, ...] | None]:
    """Read the journal; None where it cannot be read."""
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


def plan_in(files: RunFiles) -> tuple[tuple[str, ...], Plan | None]:
    """Read the plan, if there is one; what is wrong with it comes first."""
    if not files.plan.exists():
        return (), None
    try:
        return (), read_plan(files.plan)
    except StoreError as problem:
        return (str(problem),), None


def load_reports_in(files: RunFiles) -> tuple[tuple[str, ...], tuple[LoadReport, ...]]:
    """Read the load reports; what is wrong with them comes first."""
    reports: list[LoadReport] = []
    try:
        # What stands ahead of a broken line is kept.
        reports.extend(read_lines(files.load, LoadReport))
    except StoreError as problem:
        return (str(problem),), tuple(reports)
    return (), tuple(reports)


def decisions_in(files: RunFiles) -> tuple[Check, ...]:
    """Look whether the decisions of rules that explain themselves can be read; nothing where there are none."""
    if not files.decisions.exists():
        return ()
    try:
        for _ in read_lines(files.decisions, DecisionRecord):
            pass
    except StoreError as problem:
        return (Check(name="decisions", problems=(str(problem),)),)
    return (Check(name="decisions"),)


def _search(directory: Path) -> Check:
    tuning = read_tuning(directory)
    notes = ["This is a search of `halospec tune`, which has tune.json instead of a manifest and a plan."]
    if tuning.status is not Status.COMPLETE:
        notes.append(f"It has no result: {(tuning.reason or 'it is under way, or it was killed').rstrip('.')}.")
    return Check(name="manifest", notes=tuple(notes))
