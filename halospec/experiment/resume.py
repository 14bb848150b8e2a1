"""Going on with a run that was cut short: its files made whole, and what is left to do."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.experiment.coverage import Coverage, TrialIds, coverage_of
from halospec.experiment.plan import Plan
from halospec.records.loads import LoadReport
from halospec.records.schema import RequestRecord
from halospec.records.store import RunFiles, StoreError, mark_void, mend_journal, read_lines
from halospec.records.switches import SwitchRecord
from halospec.records.ticks import last_tick_ns


@dataclass(frozen=True)
class Resumed:
    """How a run stands that goes on.

    Attributes
    ----------
    records
        Whole records that its journal holds.
    voided
        Those of them that have just been marked void, since their trial is begun anew.
    last_ns
        The latest reading of the run's clock in its journals; the clock has to go on after it.
    """

    coverage: Coverage
    records: int
    voided: int
    last_ns: int


def last_moment_ns(files: RunFiles) -> int:
    """Return the latest reading of the run's clock in a run's journals; 0 where they hold nothing.

    Raises
    ------
    StoreError
        If a journal cannot be read.
    """
    of_records_ns = max((record.ended_ns for record in read_lines(files.records, RequestRecord)), default=0)
    return max(of_records_ns, _last_of_other_journals_ns(files))


def prepare_resumption(files: RunFiles, plan: Plan, trial_ids: TrialIds) -> Resumed:
    """Make a run's journals fit to be continued, and return what they hold of the plan.

    Torn last lines are cut off. The records of trials that have to be begun anew are marked void in the journal, which
    is replaced in one step; nothing else in it changes, and no record is ever deleted. Preparing twice does no more
    than preparing once.

    Raises
    ------
    StoreError
        If a journal cannot be read or written, or holds what does not belong to this plan. Nothing has been changed
        then.
    """
    coverage = coverage_of(
        plan, trial_ids, read_lines(files.records, RequestRecord), read_lines(files.load, LoadReport)
    )
    attempts = {trial_ids(trial): coverage.of(trial).attempt for trial in plan.trials}
    lines = 0
    last_ns = _last_of_other_journals_ns(files)
    stale: set[int] = set()
    for record in read_lines(files.records, RequestRecord):
        lines += 1
        last_ns = max(last_ns, record.ended_ns)
        if record.void:
            continue
        if record.trial_id not in attempts:
            raise StoreError(
                f"{files.records}, line {lines} is of a trial that this plan does not have; a run goes on with the"
                " plan, the model and the version of halospec that it began with."
            )
        if record.trial_attempt != attempts[record.trial_id]:
            stale.add(lines)
    for journal in (files.records, files.load, files.switches, files.decisions, files.telemetry_journal):
        mend_journal(journal)
    if stale:
        mark_void(files.records, stale)
    return Resumed(coverage, records=lines, voided=len(stale), last_ns=last_ns)


def _last_of_other_journals_ns(files: RunFiles) -> int:
    reports = read_lines(files.load, LoadReport)
    loads_ns = (load.ended_ns or 0 for report in reports for load in report.loads)
    switches_ns = (switch.ended_ns for switch in read_lines(files.switches, SwitchRecord))
    return max(max(loads_ns, default=0), max(switches_ns, default=0), last_tick_ns(files.telemetry_journal))
