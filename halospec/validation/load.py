"""Whether the load that a plan has was really there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from halospec.contention.spoken import spoken_amount, spoken_name
from halospec.experiment.forecast import counted
from halospec.records.loads import InjectedLoad, LoadReport
from halospec.records.schema import Phase
from halospec.validation.types import Part, ReadRun, part_of

LOAD_FELT_ABOVE = 0.1
"""A load that got less than this share of what it was to do was hardly there."""

LOAD_TOLD_FROM_S = 1.0
"""A system counts CPU time in steps of some 10 ms: over less than this, what a load got cannot be told so well."""


def missing_load(run: ReadRun) -> Iterator[str]:
    """Say which trials lacked the load that they should have had.

    A trial that was resumed has a line of ``load.jsonl`` for each of its parts, of which one that began after the load
    measured none; and one whose process was killed right after its last request has none at all.
    """
    loaded = {part_of(record.trial_id, record) for _, record in run.valid if record.load_overlap > 0}
    reports: defaultdict[Part, list[LoadReport]] = defaultdict(list)
    for report in run.loads:
        if report.loads:
            reports[part_of(report.trial_id, report)].append(report)
    for part in _void_parts(run):
        reports.pop(part, None)
    for part, trial in run.planned_with_load:
        if part not in reports and part not in loaded:
            yield f"Block {trial.block}, {trial.mode}: there is no sign of the load that it should have had."
    for part, of_part in reports.items():
        if any(report.steps is not None for report in of_part):
            yield from _unmeasured(of_part, is_known_by_records=part in loaded)
        yield from (said for report in of_part for load in report.loads for said in _shortcomings(report, load))


def unloaded_modes(run: ReadRun) -> tuple[str, ...]:
    """Name the modes of which no request met the load that their trials had."""
    meant = dict.fromkeys(mode for _, trial in run.planned_with_load for mode in trial.modes)
    met = {record.mode for _, record in run.valid if record.phase is Phase.LOAD}
    without = [mode for mode in meant if mode not in met]
    if not without:
        return ()
    return (f"The plan has load, and no request of {', '.join(without)} was under it.",)


def load_notes(run: ReadRun) -> tuple[str, ...]:
    """Say what load there was, and which reports of it are missing."""
    notes = []
    trials: defaultdict[tuple[str, str], set[Part]] = defaultdict(set)
    got: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    void = _void_parts(run)
    for report in run.loads:
        if part_of(report.trial_id, report) in void:
            continue
        for load in report.loads:
            if load.achieved is not None:
                trials[load.name, load.unit].add(part_of(report.trial_id, report))
                got[load.name, load.unit].append(load.achieved)
    for (name, unit), amounts in got.items():
        least, most = spoken_amount(min(amounts)), spoken_amount(max(amounts))
        span = least if least == most else f"{least} to {most}"
        notes.append(
            f"{spoken_name(name)} got {span} {unit} over {counted(len(trials[name, unit]), 'trial')} with load."
        )
    reported = {part_of(report.trial_id, report) for report in run.loads}
    untold = sum(part not in reported for part, _ in run.planned_with_load)
    if untold:
        notes.append(
            f"Of {counted(untold, 'complete trial')} with load there is no line in {run.files.load.name}: the run was"
            " killed before it was written. What load the requests met is in the records."
        )
    return tuple(notes)


def _unmeasured(of_part: Sequence[LoadReport], *, is_known_by_records: bool) -> Iterator[str]:
    """Say which loads of a complete trial were never measured."""
    where = _where(of_part[0])
    told = [load for report in of_part for load in report.loads if load.achieved is not None]
    if not told:
        if not is_known_by_records:
            yield f"{where}: no load was measured in a trial that should have had some."
        return
    if max(map(_lasted_s, told)) < LOAD_TOLD_FROM_S:
        return
    names = dict.fromkeys(load.name for report in of_part for load in report.loads)
    for name in names:
        if name not in {load.name for load in told}:
            beside = spoken_name(told[0].name)
            yield f"{where}: nothing of {spoken_name(name)} was measured, which should have run beside {beside}."


def _shortcomings(report: LoadReport, load: InjectedLoad) -> Iterator[str]:
    """Say what a load that ran lacked."""
    if load.ended_early is not None:
        yield f"{_where(report)}, {spoken_name(load.name)}: {load.ended_early}."
    got, meant = load.achieved, load.target
    if got is None or meant is None or _lasted_s(load) < LOAD_TOLD_FROM_S or got >= LOAD_FELT_ABOVE * meant:
        return
    fell_short = f"got {spoken_amount(got)} {load.unit} and was to do {spoken_amount(meant)} {load.unit}"
    yield f"{_where(report)}: {spoken_name(load.name)} {fell_short}."


def _where(report: LoadReport) -> str:
    return f"Block {report.block}, {report.mode}"


def _void_parts(run: ReadRun) -> set[Part]:
    """Return the attempts that were given up: all that is known of them is void."""
    void = {part_of(record.trial_id, record) for record in run.records if record.void}
    return void - {part_of(record.trial_id, record) for _, record in run.valid}


def _lasted_s(load: InjectedLoad) -> float:
    return ((load.ended_ns or 0) - (load.started_ns or 0)) / 1e9
