"""Recordings small enough to be worked through by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from halospec.recordings.types import RecordedRounds, Recording, TracedText

Row = tuple[str, int, int, int, int, float, float, float]
"""Condition, threads of the target and of the draft, k, missed; drafting, catching up (part of it), verifying in ms."""


def traced(prompt_id: str, match: str, top_probability: Sequence[float] | None = None) -> TracedText:
    """Return a text of which ``match`` has a 1 for each position at which the draft agrees, the first included."""
    agrees = np.array([char == "1" for char in match])
    top = np.array(top_probability if top_probability is not None else [0.5] * len(match), dtype=np.float32)
    return TracedText(
        prompt_id=prompt_id,
        tokens=np.arange(len(match), dtype=np.int32),
        match=agrees,
        top_probability=top,
        entropy=1 - top,
        overlap=top,
    )


def recorded(rows: Sequence[Row]) -> RecordedRounds:
    """Return rounds, each a visit of its own."""
    conditions = tuple(dict.fromkeys(row[0] for row in rows))
    columns = list(zip(*rows, strict=True))
    return RecordedRounds(
        conditions=conditions,
        condition=np.array([conditions.index(name) for name in columns[0]], dtype=np.int16),
        visit=np.arange(1, len(rows) + 1, dtype=np.int32),
        threads=np.array(columns[1], dtype=np.int16),
        draft_threads=np.array(columns[2], dtype=np.int16),
        k=np.array(columns[3], dtype=np.int16),
        missed=np.array(columns[4], dtype=np.int16),
        draft_us=1e3 * np.array(columns[5], dtype=np.float32),
        catch_up_us=1e3 * np.array(columns[6], dtype=np.float32),
        verify_us=1e3 * np.array(columns[7], dtype=np.float32),
    )


def cost_table(
    lengths: Sequence[int] = range(9),
    *,
    condition: str = "quiet",
    threads: tuple[int, int] = (2, 2),
    draft_ms: Callable[[int, int], float] = lambda k, missed: 10.0 * k + (missed == 2),
    verify_ms: Callable[[int], float] = lambda k: 100.0 + k,
) -> list[Row]:
    """Return one round for each k and each class of missed tokens."""
    return [
        (condition, *threads, k, missed, draft_ms(k, missed) if k else 0.0, 0.0, verify_ms(k))
        for k in lengths
        for missed in ((1, 2) if k else (0,))
    ]


def recording(rows: Sequence[Row], *texts: TracedText, threads: tuple[int, int] = (2, 2)) -> Recording:
    """Return a recording with these rounds and texts."""
    return Recording(
        pair="worked",
        texts=texts or (traced("p", "11011100110"),),
        rounds=recorded(rows),
        threads=threads[0],
        draft_threads=threads[1],
        about={},
    )
