"""Percentiles of the times of single requests, and how much a sample of this size says about them."""

from __future__ import annotations

import numpy as np

from halospec.analysis.request_times import RequestTime, times_of
from halospec.analysis.requests import Requests
from halospec.analysis.value import Value
from halospec.inference.quantiles import quantile
from halospec.inference.types import Quantile
from halospec.records.schema import Phase

PERCENTILES = (50.0, 95.0, 99.0)


class TimePercentiles(Value):
    """One time of one mode's requests in one phase; successful requests of which it is known.

    Attributes
    ----------
    percentiles
        In the order of `PERCENTILES`. The value of one that the sample is too small for is ``None``.
    """

    time: RequestTime
    mode: str
    phase: Phase
    requests: int
    percentiles: tuple[Quantile, ...]


def percentiles(requests: Requests) -> tuple[TimePercentiles, ...]:
    """Return the percentiles of every time that is known of any request, by mode and phase.

    A failed request took some time too, but not the time of a reply: it counts as a failure and not here, so that a
    mode which fails when it is slow looks better here than it is.
    """
    groups = list(requests.measured.successes.by_mode_and_phase())
    return tuple(
        TimePercentiles(
            time=time,
            mode=mode,
            phase=phase,
            requests=len(known),
            percentiles=tuple(quantile(known, percentile) for percentile in PERCENTILES),
        )
        for time in RequestTime
        for mode, phase, here in groups
        for taken_ms in [times_of(here, time)]
        if len(known := taken_ms[np.isfinite(taken_ms)])
    )
