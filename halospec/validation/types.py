"""What is read of a run to be checked, and what a check says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from halospec.experiment.coverage import Coverage
from halospec.experiment.plan import Plan, Trial
from halospec.experiment.run_manifest import trial_ids_of
from halospec.records.loads import LoadReport
from halospec.records.manifest import Manifest
from halospec.records.schema import RequestRecord
from halospec.records.store import RunFiles
from halospec.tuning.account import tuning_file

_SHOWN = 5

Part = tuple[str, int]
"""A trial, by its id or, in records from before there was one, by its place; and its attempt."""


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
class ReadRun:
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
    def planned_with_load(self) -> Iterator[tuple[Part, Trial]]:
        """The trials that are complete and should have had load."""
        if self.plan is None or self.manifest is None or self.covered is None:
            return
        ids = trial_ids_of(self.manifest)
        for trial in self.plan.trials:
            so_far = self.covered.of(trial)
            if trial.phases.load is not None and so_far.done:
                yield (ids(trial), so_far.attempt), trial


def part_of(trial_id: str | None, of: LoadReport | RequestRecord) -> Part:
    """Return which part of a run a load report or a record belongs to."""
    return trial_id or f"{of.block}/{of.mode}", of.trial_attempt


def shortened(problems: Sequence[str]) -> tuple[str, ...]:
    """Return the first few of many problems of a kind."""
    if len(problems) <= _SHOWN:
        return tuple(problems)
    return (*problems[:_SHOWN], f"{len(problems) - _SHOWN} more of the kind.")
