"""What is known of how long a server takes, before a plan runs: from a probe, or from an earlier run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from halospec.analysis.requests import PHASES, Floats, Requests
from halospec.records.probe import KnobReport, ProbeReport
from halospec.records.schema import Phase


@dataclass(frozen=True)
class TimeAtLength:
    """Decode time per token with one draft length."""

    draft_length: int
    tpot_ms: float


@dataclass(frozen=True)
class Timings:
    """How long requests take; None where that is not known.

    Attributes
    ----------
    by_length
        In ascending order, at least one.
    reply_tokens, longest_reply
        Mean over the replies that were seen, where those were such as a run has, and how long they got, or could have.
    load_slowdown
        Time of a request under load over that of one without.
    switch_ms
        How long the server takes to come back with another k; 0 where k comes with each request.
    """

    by_length: tuple[TimeAtLength, ...]
    ttft_ms: float | None = None
    reply_tokens: float | None = None
    longest_reply: int | None = None
    load_slowdown: float | None = None
    switch_ms: float | None = None

    def of_replies_up_to(self, max_tokens: int) -> Timings:
        """Return the same, given how long the replies seen could have been: their mean holds for others so limited."""
        return replace(self, longest_reply=max(max_tokens, self.longest_reply or 0))

    def tpot_ms(self, draft_length: int) -> float:
        """Return the time per token at a draft length: between known ones on a line, beyond them as at the nearest."""
        known = [one.draft_length for one in self.by_length]
        return float(np.interp(draft_length, known, [one.tpot_ms for one in self.by_length]))


def probed_timings(report: ProbeReport, knob: KnobReport) -> Timings | None:
    """Return what a probe tells of one of its knobs; None where it saw no token arrive.

    A probe does not record when a reply's first token came. Where k comes with each request, the time that the probe
    took beyond all its decoding is divided among its requests instead, which is a little too much.
    """
    known = tuple(
        TimeAtLength(at.draft_length, at.tpot_ms)
        for at in sorted(knob.by_length, key=lambda at: at.draft_length)
        if at.tpot_ms
    )
    if not known:
        return None
    return Timings(known, ttft_ms=_beyond_decoding_ms(report), switch_ms=switch_ms_of(knob))


def recorded_timings(requests: Requests, switch_ms: float | None) -> Timings | None:
    """Return what a run's requests tell, warm-up included; None where none has a decode time.

    Parameters
    ----------
    switch_ms
        As in `Timings`.
    """
    answered = requests.successes
    quiet = answered.where(answered.phase != PHASES.index(Phase.LOAD))
    known = tuple(_times_by_length(quiet)) or tuple(_times_by_length(answered))
    if not known:
        return None
    return Timings(
        known,
        ttft_ms=_mean(quiet.ttft_ms),
        reply_tokens=_mean(answered.tokens),
        longest_reply=int(np.nanmax(answered.tokens)),
        load_slowdown=_slowdown(answered),
        switch_ms=switch_ms,
    )


def switch_ms_of(knob: KnobReport | None) -> float | None:
    """Return how long a knob takes to bring the server to another k, as far as a probe of it tells."""
    if knob is None:
        return None
    return 0.0 if knob.per_request else knob.switch_ms


def _times_by_length(requests: Requests) -> Iterator[TimeAtLength]:
    timed = requests.where(np.isfinite(requests.decode_ms) & (requests.tokens >= 2))
    for length in np.unique(timed.draft_length[np.isfinite(timed.draft_length)]):
        here = timed.where(timed.draft_length == length)
        tpot_ms = float(here.decode_ms.sum() / (here.tokens - 1).sum())
        if tpot_ms > 0:
            yield TimeAtLength(int(length), tpot_ms)


def _slowdown(requests: Requests) -> float | None:
    """Return the geometric mean over modes of the latency under load over that before it."""
    ratios = []
    for _, of_mode in requests.by_mode():
        load, steady = of_mode.in_phase(Phase.LOAD), of_mode.in_phase(Phase.STEADY)
        if len(load) and len(steady):
            ratios.append(load.latency_ms.mean() / steady.latency_ms.mean())
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None


def _beyond_decoding_ms(report: ProbeReport) -> float | None:
    if not report.canaries or not all(knob.per_request for knob in report.knobs):
        return None
    decoding_ms = 0.0
    for knob in report.knobs:
        for at in knob.by_length:
            replies = at.canaries - at.failures
            if replies and at.tpot_ms is None:
                return None
            decoding_ms += (at.tpot_ms or 0.0) * (at.completion_tokens - replies)
    return max(0.0, report.seconds * 1000 - decoding_ms) / report.canaries


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
