"""Readings within intervals: the highest one, and whether there is any."""

from __future__ import annotations

import numpy as np

from halospec.analysis.requests import Flags, Floats, Ints


def highest(at_ns: Ints, values: Floats, started_ns: Ints, ended_ns: Ints) -> Floats:
    """Return the highest value read within each interval, its ends included; NaN where none was read."""
    first = np.searchsorted(at_ns, started_ns, side="left")
    after = np.searchsorted(at_ns, ended_ns, side="right")
    found = np.full(len(started_ns), np.nan)
    there = first < after
    if there.any():
        edges = np.stack([first[there], after[there]], axis=1).ravel()
        # Of each pair of edges what lies between them; what lies between one pair and the next is of no interest.
        found[there] = np.fmax.reduceat(np.append(values, np.nan), edges)[::2]
    return found


def overlapping(started_ns: Ints, ended_ns: Ints) -> Flags:
    """Tell which intervals share time with another one; to begin when another ends is not to share time with it."""
    if not len(started_ns):
        return np.zeros(0, dtype=np.bool_)
    order = np.lexsort((ended_ns, started_ns))
    starts, ends = started_ns[order], ended_ns[order]
    last_end = np.maximum.accumulate(ends)
    shares = np.zeros(len(starts), dtype=np.bool_)
    shares[1:] = starts[1:] < last_end[:-1]
    shares[:-1] |= starts[1:] < ends[:-1]
    found = np.empty_like(shares)
    found[order] = shares
    return found
