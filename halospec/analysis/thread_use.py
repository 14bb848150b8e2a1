"""With how many threads the rounds of each mode ran in each phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from halospec.analysis.acceptance_by_position import by_mode_and_phase
from halospec.analysis.requests import Requests
from halospec.analysis.rounds import NOT_SAID, Rounds
from halospec.analysis.table_style import MISSING, mode_name, new_table
from halospec.analysis.value import Value
from halospec.records.schema import Phase

_SHOWN = 4


class ThreadShare(Value):
    """Rounds that ran with these threads.

    Attributes
    ----------
    draft_threads
        ``None`` in rounds in which no draft model ran.
    share
        Of the rounds of this mode and phase whose threads are known.
    """

    threads: int
    draft_threads: int | None
    rounds: int
    share: float


class ThreadUse(Value):
    """One mode in one phase; the most frequent threads first."""

    mode: str
    phase: Phase
    rounds: int
    shares: tuple[ThreadShare, ...]


def thread_use(requests: Requests, rounds: Rounds) -> tuple[ThreadUse, ...] | None:
    """Count the rounds of successful requests by their threads; ``None`` where the server does not say any.

    Parameters
    ----------
    rounds
        Those that were read together with ``requests``, warm-up and failed requests among them.
    """
    told = rounds.taken(rounds.threads != NOT_SAID)
    return tuple(_of(mode, phase, here) for mode, phase, here in by_mode_and_phase(requests, told)) or None


def thread_tables(found: Sequence[ThreadUse]) -> list[RenderableType]:
    """Return one row for each mode and phase."""
    table = new_table("Threads, of the target's passes and of the draft's", ["mode", "phase"], ["rounds"])
    table.add_column("share of the rounds", no_wrap=True)
    previous = None
    for row in found:
        table.add_row(
            mode_name(row.mode) if row.mode != previous else Text(""),
            row.phase.value,
            str(row.rounds),
            ", ".join(_spoken(row.shares)),
        )
        previous = row.mode
    return [table]


def _of(mode: str, phase: Phase, rounds: Rounds) -> ThreadUse:
    pairs, counts = np.unique(np.stack([rounds.threads, rounds.draft_threads]), axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shares = tuple(
        ThreadShare(
            threads=int(pairs[0, place]),
            draft_threads=int(pairs[1, place]) if pairs[1, place] > 0 else None,
            rounds=int(counts[place]),
            share=float(counts[place] / len(rounds)),
        )
        for place in order
    )
    return ThreadUse(mode=mode, phase=phase, rounds=len(rounds), shares=shares)


def _spoken(shares: Sequence[ThreadShare]) -> Iterator[str]:
    for one in shares[:_SHOWN]:
        draft = MISSING if one.draft_threads is None else one.draft_threads
        yield f"{one.threads} and {draft}: {100 * one.share:.0f} %"
    if len(shares) > _SHOWN:
        yield "…"
