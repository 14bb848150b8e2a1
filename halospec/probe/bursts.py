"""Tokens that arrive together: under speculation, those of one round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SHARE_OF_MEAN_GAP = 0.25
_TOGETHER_NS = 500_000
_AT_ONCE_SHARE = 0.02
FEWEST_EVENTS = 3


@dataclass(frozen=True)
class Bursts:
    """How the content events of one reply lie in time.

    Attributes
    ----------
    count, events
        Bursts, and the events in them.
    within_ms, between_ms
        Median gap between events of one burst, and from one burst's end to the next one's start; None if there is no
        such gap.
    """

    count: int
    events: int
    within_ms: float | None
    between_ms: float | None


def bursts_of(event_ns: Sequence[int]) -> Bursts | None:
    """Group the events of a stream; None if there are too few to tell what is together.

    Events less than a quarter of the mean gap apart belong together, and so do those less than 0.5 ms apart (but never
    more than half the mean gap: a fast server's tokens are close to each other without being bursts).
    """
    if len(event_ns) < FEWEST_EVENTS:
        return None
    gaps = [later - earlier for earlier, later in pairwise(event_ns)]
    mean = statistics.fmean(gaps)
    together_ns = max(_SHARE_OF_MEAN_GAP * mean, min(_TOGETHER_NS, mean / 2))
    within = [gap for gap in gaps if gap < together_ns or gap == 0]
    between = [gap for gap in gaps if gap >= together_ns and gap > 0]
    return Bursts(
        count=len(between) + 1,
        events=len(event_ns),
        within_ms=statistics.median(within) / 1e6 if within else None,
        between_ms=statistics.median(between) / 1e6 if between else None,
    )


def arrives_at_once(event_ns: Sequence[int], sent_ns: int) -> bool:
    """Tell whether a stream is none: something on the way held it back until it was complete."""
    if len(event_ns) < 2:
        return True
    return event_ns[-1] - event_ns[0] < _AT_ONCE_SHARE * (event_ns[-1] - sent_ns)
