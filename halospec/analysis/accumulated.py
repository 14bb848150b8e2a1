"""What adds up over time, read off at moments: how much of it falls into an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from halospec.analysis.requests import Flags, Floats, Ints

MOST_GAP_NS = 1_000_000_000
"""Readings further apart than this do not say what happened between them."""


@dataclass(frozen=True, eq=False)
class Accumulated:
    """A quantity that adds up, such as joules, as a function of time.

    Attributes
    ----------
    at_ns
        When it was read, increasing, shape (n,).
    total
        Sum since the first reading, shape (n,).
    first_rate, last_rate
        How fast it grows, per second, as each step from one reading to the next begins and ends, linear between the
        two; shape (n - 1,).
    breaks
        How many of the steps before each reading are ones that nothing is known of, shape (n,).
    """

    at_ns: Ints
    total: Floats
    first_rate: Floats
    last_rate: Floats
    breaks: Ints

    @classmethod
    def of_counter(cls, at_ns: Ints, values: Floats) -> Self:
        """Return what a counter counts, linear between readings.

        A counter that went back was begun anew, and what it counted meanwhile is not known.
        """
        at_ns, values = _known(at_ns, values)
        steps = np.diff(values)
        unknown = (np.diff(at_ns) > MOST_GAP_NS) | (steps < 0)
        steps = np.where(unknown, 0.0, steps)
        rate = steps / (np.diff(at_ns) / 1e9)
        return cls(at_ns, _summed(steps), rate, rate, _counted(unknown))

    @classmethod
    def of_gauge(cls, at_ns: Ints, values: Floats) -> Self:
        """Return the integral over seconds of what a gauge shows, the gauge being linear between readings."""
        at_ns, values = _known(at_ns, values)
        lengths_s = np.diff(at_ns) / 1e9
        unknown = lengths_s > MOST_GAP_NS / 1e9
        first, last = (np.where(unknown, 0.0, rate) for rate in (values[:-1], values[1:]))
        return cls(at_ns, _summed((first + last) / 2 * lengths_s), first, last, _counted(unknown))

    def over(self, started_ns: Ints, ended_ns: Ints) -> Floats:
        """Return how much falls into each interval; NaN where the readings do not cover all of it."""
        if not len(self.at_ns):
            return np.full(len(started_ns), np.nan)
        before = np.searchsorted(self.at_ns, started_ns, side="right") - 1
        after = np.searchsorted(self.at_ns, ended_ns, side="left")
        covered = (before >= 0) & (after < len(self.at_ns)) & (ended_ns >= started_ns)
        before, after = np.where(covered, before, 0), np.where(covered, after, 0)
        covered &= self.breaks[after] == self.breaks[before]
        return np.where(covered, self._total_at(ended_ns) - self._total_at(started_ns), np.nan)

    @property
    def rates(self) -> Floats:
        """How much it grows a second over each step, on average; NaN where that is not known; shape (n - 1,)."""
        return np.where(np.diff(self.breaks) > 0, np.nan, (self.first_rate + self.last_rate) / 2)

    def _total_at(self, moments_ns: Ints) -> Floats:
        if len(self.at_ns) == 1:
            return np.zeros(len(moments_ns))
        step = np.clip(np.searchsorted(self.at_ns, moments_ns, side="right") - 1, 0, len(self.at_ns) - 2)
        into_s = (moments_ns - self.at_ns[step]) / 1e9
        share = into_s / ((self.at_ns[step + 1] - self.at_ns[step]) / 1e9)
        first, last = self.first_rate[step], self.last_rate[step]
        moments: Floats = self.total[step] + into_s * (first + (last - first) * share / 2)
        return moments


def _known(at_ns: Ints, values: Floats) -> tuple[Ints, Floats]:
    known = ~np.isnan(values)
    return at_ns[known], values[known]


def _summed(steps: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(steps)])


def _counted(unknown: Flags) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(unknown, dtype=np.int64)])
