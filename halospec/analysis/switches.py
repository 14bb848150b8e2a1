"""How often and for how long the server was loaded or started anew, where that is how a draft length is set."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from halospec.analysis.value import Value
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import RequestRecord
from halospec.records.switches import SwitchReason


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


def switches(requests: Iterable[RequestRecord | ClassicRow]) -> Switches | None:
    """Describe the switches before all requests, warm-up included: a trial's switch comes before its warm-up.

    ``None`` if there were none.
    """
    after_switch = [
        request for request in requests if isinstance(request, RequestRecord) and request.switch_ms is not None
    ]
    if not after_switch:
        return None
    knobs = {request.knob for request in after_switch}
    durations = _durations_ms(after_switch)
    return Switches(
        knob=knobs.pop() if len(knobs) == 1 else None,
        count=len(durations),
        median_ms=statistics.median(durations),
        total_ms=sum(durations),
        by_reason=tuple(
            SwitchesForReason(
                reason=reason, count=len(durations), median_ms=statistics.median(durations), total_ms=sum(durations)
            )
            for reason in SwitchReason
            if (durations := _durations_ms([one for one in after_switch if one.switch_reason is reason]))
        ),
    )


def _durations_ms(requests: Sequence[RequestRecord]) -> list[float]:
    return [request.switch_ms for request in requests if request.switch_ms is not None]
