"""From the round logs of visits to the columns of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halospec.controllers.missed import AT_THE_START, missed_after
from halospec.recordings.types import RecordedRounds
from halospec.recordings.visits import Visit
from halospec.records.schema import Round

SETTLING_ROUNDS = 2
"""Rounds at the start of a visit that are left out when the condition has just changed: caches and the scheduler have
to find their way into it."""


class UnusableRounds(ValueError):
    """A round log that costs cannot be taken from; the message says why."""


@dataclass(frozen=True)
class VisitedRounds:
    """A visit and the rounds of its text."""

    visit: Visit
    rounds: tuple[Round, ...]


def recorded_rounds(visited: Sequence[VisitedRounds]) -> RecordedRounds:
    """Put the rounds of all visits one below the other, each with what the draft had missed before it.

    Visits are numbered from 1 in their order. How much was missed follows from the rounds that were left out, too.

    Raises
    ------
    UnusableRounds
        If a log lacks what is needed, or its rounds were not run as the visit wanted.
    """
    conditions = tuple(dict.fromkeys(one.visit.condition.name for one in visited))
    rows: list[tuple[float, ...]] = []
    for number, one in enumerate(visited, start=1):
        place = conditions.index(one.visit.condition.name)
        setting = one.visit.setting
        missed = AT_THE_START
        for index, done in enumerate(one.rounds):
            _require_as_wanted(done, one.visit)
            if index >= SETTLING_ROUNDS or not one.visit.after_change:
                rows.append(
                    (
                        place,
                        number,
                        setting.threads,
                        setting.draft_threads,
                        done.k,
                        missed if done.k else 0,
                        done.draft_us,
                        done.catch_up_us or 0.0,
                        done.verify_us + done.sample_us,
                    )
                )
            missed = missed_after(missed, done.k, done.accepted)
    table = np.array(rows, dtype=np.float64).reshape(-1, 9).T
    return RecordedRounds(
        conditions=conditions,
        condition=table[0].astype(np.int16),
        visit=table[1].astype(np.int32),
        threads=table[2].astype(np.int16),
        draft_threads=table[3].astype(np.int16),
        k=table[4].astype(np.int16),
        missed=table[5].astype(np.int16),
        draft_us=table[6].astype(np.float32),
        catch_up_us=table[7].astype(np.float32),
        verify_us=table[8].astype(np.float32),
    )


def _require_as_wanted(done: Round, visit: Visit) -> None:
    if done.threads is None or done.draft_threads is None or done.catch_up_us is None or done.limit is None:
        raise UnusableRounds("the server's round log does not say with how many threads a round ran; use a newer one")
    if done.sequences not in (None, 1):
        raise UnusableRounds("a round was shared with another request; nobody else may use the server meanwhile")
    setting = visit.setting
    drafted_otherwise = done.k > 0 and done.draft_threads != setting.draft_threads
    if done.threads != setting.threads or drafted_otherwise:
        raise UnusableRounds(
            f"a round ran with {done.threads} and {done.draft_threads} threads where {setting.threads} and"
            f" {setting.draft_threads} were asked for"
        )
