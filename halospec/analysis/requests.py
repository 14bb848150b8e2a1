"""The requests of a run as columns: what the analysis computes on, whichever file they were read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from halospec.analysis.modes import in_order
from halospec.records.schema import MEASURED_PHASES, Phase

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PHASES = (Phase.WARMUP, *MEASURED_PHASES)
"""What the numbers in `Requests.phase` stand for."""


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests in the order in which they ended, a column an attribute; all columns have the same length.

    NaN means that the file or the server did not say. Requests of a trial that was restarted (``void``) are not here.

    Attributes
    ----------
    modes, prompts, texts, errors
        The names that the numbers in `mode`, `prompt`, `text` and `error` are indices into; modes in their usual order.
    mode, phase, block, step
        `phase` is an index into `PHASES`.
    prompt, text, error
        −1 where there is none: a failed request has no text, a successful one no error.
    draft_length
        The k that was asked for.
    mean_limit
        The draft length in force, as a mean over the request's rounds; NaN where the server does not say.
    latency_ms, ttft_ms
        End to end, and to the first content.
    decode_ms
        From the first content to the end of the reply.
    tokens
        Completion tokens.
    started_ns, ended_ns
        On the run's clock; −1 where the file has no times.
    by_events
        Whether content events were counted for tokens.
    nonce
        Whether words were put before the prompt that no other request has.
    placebo
        Whether the run went on although the server ignores the draft length.
    """

    modes: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    errors: tuple[str, ...]
    mode: Ints
    phase: Ints
    block: Ints
    step: Ints
    prompt: Ints
    text: Ints
    error: Ints
    success: Flags
    by_events: Flags
    nonce: Flags
    draft_length: Floats
    mean_limit: Floats
    latency_ms: Floats
    ttft_ms: Floats
    decode_ms: Floats
    tokens: Floats
    drafted: Floats
    accepted: Floats
    rounds: Floats
    cached_tokens: Floats
    load_percent: Floats
    started_ns: Ints
    ended_ns: Ints
    placebo: bool = False

    def __len__(self) -> int:
        return len(self.mode)

    def where(self, kept: Flags) -> Self:
        """Return the requests for which ``kept`` is true; the names stay the same. All of them are not copied."""
        return self if kept.all() else self.taken(np.flatnonzero(kept))

    def taken(self, places: Ints | slice) -> Self:
        """Return the requests at these places, in this order; a slice copies nothing."""
        columns: dict[str, Any] = {
            name: column[places] if isinstance(column := getattr(self, name), np.ndarray) else column
            for name in _field_names()
        }
        return type(self)(**columns)

    @property
    def length_in_force(self) -> Floats:
        """The k that was asked for; where a rule inside the server chose it, its mean over the request's rounds."""
        return np.where(np.isnan(self.draft_length), self.mean_limit, self.draft_length)

    @cached_property
    def measured(self) -> Self:
        """All but the warm-up."""
        return self.where(self.phase != PHASES.index(Phase.WARMUP))

    @cached_property
    def warmups(self) -> Self:
        """The warm-up alone."""
        return self.where(self.phase == PHASES.index(Phase.WARMUP))

    @cached_property
    def successes(self) -> Self:
        """The requests that statistics cover."""
        return self.where(self.success)

    def in_phase(self, phase: Phase) -> Self:
        """Return the requests of one phase."""
        return self.where(self.phase == PHASES.index(phase))

    def of_mode(self, mode: str) -> Self:
        """Return the requests of one mode; none if it was not run."""
        return self.where(self.mode == (self.modes.index(mode) if mode in self.modes else -1))

    def of_block(self, block: int) -> Self:
        """Return the requests of one block."""
        return self.where(self.block == block)

    @cached_property
    def modes_here(self) -> tuple[str, ...]:
        """The modes of which there are requests here, in their usual order."""
        return in_order(self.modes[index] for index in np.flatnonzero(np.bincount(self.mode)))

    @cached_property
    def phases_here(self) -> tuple[Phase, ...]:
        """The phases of which there are requests here, in order."""
        return tuple(PHASES[index] for index in np.flatnonzero(np.bincount(self.phase)))

    @cached_property
    def blocks_here(self) -> tuple[int, ...]:
        """The blocks of which there are requests here, in order."""
        return tuple(int(block) for block in np.unique(self.block))

    def by_mode(self) -> Iterator[tuple[str, Self]]:
        """Yield each mode's requests, the modes in their usual order."""
        for mode in self.modes_here:
            yield mode, self.of_mode(mode)

    def by_mode_and_phase(self) -> Iterator[tuple[str, Phase, Self]]:
        """Yield the requests of each mode in each phase that it has any in."""
        for mode, of_mode in self.by_mode():
            for phase in of_mode.phases_here:
                yield mode, phase, of_mode.in_phase(phase)

    def by_trial(self) -> Iterator[tuple[str, int, Self]]:
        """Yield each mode's requests in each block, in the order of their steps."""
        for mode, of_mode in self.by_mode():
            ordered = of_mode.taken(np.lexsort((of_mode.step, of_mode.block)))
            starts = np.flatnonzero(np.diff(ordered.block, prepend=-1))
            for start, end in zip(starts, [*starts[1:], len(ordered)], strict=True):
                yield mode, int(ordered.block[start]), ordered.taken(slice(start, end))


@cache
def _field_names() -> tuple[str, ...]:
    return tuple(field.name for field in fields(Requests))


def numbered(names: Sequence[str | None]) -> tuple[tuple[str, ...], Ints]:
    """Return the different names in the order in which they appear, and each one's place among them; None is −1."""
    places: dict[str, int] = {}
    indices = [-1 if name is None else places.setdefault(name, len(places)) for name in names]
    return tuple(places), np.array(indices, dtype=np.int64)


def numbers(values: Iterable[float | None]) -> Floats:
    """Return the values as a column; None is NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
