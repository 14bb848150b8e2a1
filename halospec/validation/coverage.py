"""Whether a plan was carried out: every trial, once, as planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from halospec.experiment.identity import pairing_sha256
from halospec.experiment.plan import Trial
from halospec.records.schema import PRELOAD
from halospec.validation.types import ReadRun


def disagreement(run: ReadRun) -> tuple[str, ...]:
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


def uncovered(run: ReadRun) -> tuple[str, ...]:
    """Say which trials are not complete."""
    if run.plan is None or run.covered is None:
        return ()
    unfinished = [trial for trial in run.plan.trials if not run.covered.of(trial).done]
    if not unfinished:
        return ()
    return (
        f"{len(unfinished)} of {len(run.plan.trials)} trials are not complete: {_named(unfinished)}."
        " `halospec run --resume` goes on with them.",
    )


def strays(run: ReadRun) -> Iterator[str]:
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


def other_prompts(run: ReadRun) -> Iterator[str]:
    """Say which records have another prompt than the plan."""
    if run.plan is None or run.covered is None:
        return
    for line, record in run.valid:
        if not record.is_warmup:
            planned = run.plan.prompt_at(record.block, record.step).prompt_id
            if record.prompt_id != planned:
                yield f"Record {line} has the prompt {record.prompt_id}, where the plan has {planned}."


def coverage_notes(run: ReadRun) -> tuple[str, ...]:
    """Say why coverage could not be looked at."""
    if run.plan is None and not run.is_search and not any(record.trial_id for record in run.records):
        return ("There is no plan.json: the run is from a version that kept none, so coverage was not looked at.",)
    return ()


def _named(trials: Sequence[Trial]) -> str:
    by_mode = Counter(trial.mode for trial in trials)
    return ", ".join(f"{mode} ({count})" if count > 1 else mode for mode, count in by_mode.items())
