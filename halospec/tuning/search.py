"""The search: round by round a server is asked, and the worse half of the draft lengths is dropped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from halospec.experiment.plan import Plan
from halospec.records.schema import RequestRecord
from halospec.tuning.evidence import PLAIN
from halospec.tuning.halving import RoundSize, Standing, survivors
from halospec.tuning.schedule import Schedule

Rank = Callable[[Sequence[RequestRecord], Sequence[int]], Sequence[Standing]]
"""From all records so far and the challengers to how these stand."""


class NothingAnswered(Exception):
    """A search that cannot go on because too many requests fail; the message is one sentence for the user."""


@dataclass(frozen=True)
class RoundDone:
    """A round that is over.

    Attributes
    ----------
    first_block, last_block
        Of its records.
    lengths
        The draft lengths that took part, k = 0 among them.
    standings
        How the others stand.
    kept
        Those that go on; after the last round, those that can still win.
    """

    size: RoundSize
    first_block: int
    last_block: int
    lengths: tuple[int, ...]
    standings: tuple[Standing, ...]
    kept: tuple[int, ...]

    @property
    def dropped(self) -> tuple[int, ...]:
        """Those that do not go on."""
        return tuple(standing.draft_length for standing in self.standings if standing.draft_length not in self.kept)


class RoundObserver(Protocol):
    """Watches the rounds go by; the requests are shown by the runner."""

    def round_begun(self, size: RoundSize, lengths: Sequence[int]) -> None:
        """Learn who takes part in the round that comes now."""
        ...

    def round_ended(self, done: RoundDone) -> None:
        """Learn what became of it."""
        ...


async def search(
    carry_out: Callable[[Plan], Awaitable[None]],
    records: Sequence[RequestRecord],
    lengths: Sequence[int],
    sizes: Sequence[RoundSize],
    schedule: Schedule,
    rank: Rank,
    observer: RoundObserver,
) -> tuple[RoundDone, ...]:
    """Go through all rounds.

    Parameters
    ----------
    carry_out
        Asks what a plan says; what it raises ends the search.
    records
        Where it puts the records: they grow meanwhile.

    Raises
    ------
    NothingAnswered
        If no draft length above 0 is left that answers, or k = 0 does not.
    """
    challengers = tuple(length for length in lengths if length != PLAIN)
    rounds: list[RoundDone] = []
    for number, size in enumerate(sizes):
        taking_part = (PLAIN, *challengers)
        observer.round_begun(size, taking_part)
        first_block = rounds[-1].last_block + 1 if rounds else 1
        for plan in schedule.plans(size, taking_part, first_block=first_block):
            await carry_out(plan)
        standings = tuple(rank(records, challengers))
        keep = len(challengers) if size.is_last else sizes[number + 1].challengers
        kept = survivors(standings, keep)
        if not kept:
            raise NothingAnswered(_why_none_is_left(records, challengers))
        done = RoundDone(size, first_block, first_block + size.passes - 1, taking_part, standings, kept)
        observer.round_ended(done)
        rounds.append(done)
        challengers = kept
    return tuple(rounds)


def _why_none_is_left(records: Sequence[RequestRecord], challengers: Sequence[int]) -> str:
    measured = [record for record in records if not record.is_warmup]
    plain = [record for record in measured if record.draft_length == PLAIN]
    if not any(record.success for record in plain):
        return f"Every request with k = 0 failed, so nothing can be compared with it: {_last_error(plain)}"
    named = ", ".join(map(str, challengers))
    of_challengers = [record for record in measured if record.draft_length in challengers]
    return (
        f"With no draft length above 0 (k = {named}) could half of the requests be timed, so there is nothing to choose"
        f" from: {_last_error(of_challengers)}"
    )


def _last_error(records: Sequence[RequestRecord]) -> str:
    errors = [record.error for record in records if record.error]
    return errors[-1] if errors else "the replies have a single token, or no times."
