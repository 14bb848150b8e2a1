"""How often and for how long the server was loaded or started anew, where that is how a draft length is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from halospec.analysis.value import Value
from halospec.records.switches import SwitchReason


@dataclass(frozen=True, eq=False)
class SwitchTimes:
    """The switches of a run, one an entry.

    Attributes
    ----------
    knobs
        What set k.
    reason
        Index into the members of `SwitchReason`; −1 where it is not known.
    """

    knobs: frozenset[str | None]
    duration_ms: npt.NDArray[np.float64]
    reason: npt.NDArray[np.int64]

    @classmethod
    def none(cls) -> Self:
        """Return no switches."""
        return cls(frozenset(), np.empty(0), np.empty(0, np.int64))


class SwitchesForReason(Value):
    """How often and for how long for one reason."""

    reason: SwitchReason
    count: int
    median_ms: float
    total_ms: float


class Switches(Value):
    """All switches of a run; their time is in no latency.

    Attributes
    ----------
    knob
        What set k; ``None`` if it is not known or not the same throughout.
    by_reason
        Those whose reason is known.
    """

    knob: str | None
    count: int
    median_ms: float
    total_ms: float
    by_reason: tuple[SwitchesForReason, ...]


def switches(made: SwitchTimes) -> Switches | None:
    """Describe the switches before all requests, warm-up included: a trial's switch comes before its warm-up.

    ``None`` if there were none.
    """
    if not len(made.duration_ms):
        return None
    return Switches(
        knob=next(iter(made.knobs)) if len(made.knobs) == 1 else None,
        count=len(made.duration_ms),
        median_ms=float(np.median(made.duration_ms)),
        total_ms=float(made.duration_ms.sum()),
        by_reason=tuple(
            SwitchesForReason(
                reason=reason,
                count=len(durations),
                median_ms=float(np.median(durations)),
                total_ms=float(durations.sum()),
            )
            for index, reason in enumerate(SwitchReason)
            if len(durations := made.duration_ms[made.reason == index])
        ),
    )
