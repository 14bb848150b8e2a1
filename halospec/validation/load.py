"""Whether the load that a plan has was really there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from halospec.contention.report import LoadReport
from halospec.records.schema import Phase
from halospec.validation.types import Part, ReadRun, part_of

LOAD_FELT_ABOVE = 0.1
"""Burners that got less than this share of what they asked for were hardly there."""

LOAD_TOLD_FROM_S = 1.0
"""A system counts CPU time in steps of some 10 ms: over less than this, what burners got cannot be told so well."""


def missing_load(run: ReadRun) -> Iterator[str]:
    """Say which trials lacked the load that they should have had.

    A trial that was resumed has a line of ``load.jsonl`` for each of its parts, of which one that began after the load
    measured none; and one whose process was killed right after its last request has none at all.
    """
    loaded = {part_of(record.trial_id, record) for _, record in run.valid if record.load_overlap > 0}
    reports: defaultdict[Part, list[LoadReport]] = defaultdict(list)
    for report in run.loads:
        if report.workers > 0:
            reports[part_of(report.trial_id, report)].append(report)
    for part, trial in run.planned_with_load:
        if part not in reports and part not in loaded:
            yield f"Block {trial.block}, {trial.mode}: there is no sign of the load that it should have had."
    for part, of_part in reports.items():
        felt = part in loaded or any(report.achieved_percent is not None for report in of_part)
        if not felt and any(report.steps is not None for report in of_part):
            first = of_part[0]
            yield f"Block {first.block}, {first.mode}: no load was measured in a trial that should have had some."
        yield from filter(None, map(_weakness, of_part))


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
    got = [report.achieved_percent for report in run.loads if report.achieved_percent is not None]
    if got:
        trials = len({part_of(report.trial_id, report) for report in run.loads if report.achieved_percent is not None})
        notes.append(f"Burners got {min(got):.0f} to {max(got):.0f} % of their cores over {trials} trials with load.")
    reported = {part_of(report.trial_id, report) for report in run.loads}
    untold = sum(part not in reported for part, _ in run.planned_with_load)
    if untold:
        notes.append(
            f"{untold} complete trials with load have no line in {run.files.load.name}: the run was killed before it"
            " was written. What load their requests met is in the records."
        )
    return tuple(notes)


def _weakness(report: LoadReport) -> str | None:
    got, offered = report.achieved_percent, report.offered_percent
    lasted_s = ((report.ended_ns or 0) - (report.started_ns or 0)) / 1e9
    if got is None or lasted_s < LOAD_TOLD_FROM_S or got >= LOAD_FELT_ABOVE * offered:
        return None
    where = f"Block {report.block}, {report.mode}"
    return f"{where}: the burners got {got:.1f} % of their cores and asked for {offered:.0f} %."
