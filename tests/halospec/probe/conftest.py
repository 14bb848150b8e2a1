"""Canaries written down by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from halospec.endpoints.types import CountSource
from halospec.probe.canaries import Canary, Cell, DraftCounts
from halospec.records.schema import Round
from written_replies import MS, reply_of

MakeCanary = Callable[..., Canary]


@pytest.fixture
def make_canary() -> MakeCanary:
    """A canary; each test names only what it is about. Its reply has a token every 10 ms unless told otherwise."""

    def make(
        k: int = 8,
        block: int = 1,
        *,
        counted: tuple[int, int] | None = None,
        rounds: Sequence[Round] | None = None,
        metered: tuple[int, int, int | None] | None = None,
        tokens: int = 32,
        event_ms: Sequence[float] | None = None,
        failed: str = "",
        refused: bool = False,
        source: CountSource = CountSource.TIMINGS,
        knob: str = "draft_length",
        **fields: object,
    ) -> Canary:
        arrivals = [50 + 10.0 * n for n in range(tokens)] if event_ms is None else event_ms
        reply = None
        if not failed:
            reply = reply_of(arrivals, tokens=tokens, counted=counted, rounds=rounds, source=source, **fields)
        return Canary(
            Cell(knob, k),
            block,
            sent_ns=0,
            ended_ns=round((arrivals[-1] if arrivals else 400.0) * MS),
            completion=reply,
            error=failed,
            refused=refused,
            metered=None if metered is None else DraftCounts(*metered, CountSource.METRICS),
        )

    return make
