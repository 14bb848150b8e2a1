"""How often a mode kept service level objectives: attainment, goodput and time over them, per phase.

Goodput is defined as vLLM's benchmark does (after DistServe, Zhong et al. 2024): requests per second that meet *every*
objective. What differs is the time divided by. vLLM divides by the wall-clock time of its whole benchmark, in which one
server answers many requests at once. Here modes take turns on one server and requests come one after another (a closed
loop), so that a mode's time is the sum of its own requests' latencies in the phase: pauses, warm-up, reloads and the
other modes' turns are in nobody's goodput. vLLM counts a reply of one token as having a TPOT of 0; here it has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from halospec.analysis.attainment_differences import PairedDifference, attainment_differences
from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.printable import printable
from halospec.analysis.request_times import RequestTime, times_of
from halospec.analysis.requests import PHASES, Flags, Requests
from halospec.analysis.value import Value
from halospec.inference.proportions import wilson
from halospec.inference.types import Share
from halospec.records.schema import Phase

AUTO = "auto"
AUTO_FACTOR = 1.2
"""``auto`` asks of every mode what this many times the median of plain decoding's warm-up would keep."""


class SloRequest(Value):
    """Objectives as a user stated them.

    Attributes
    ----------
    auto
        Whether objectives that are not stated come from the warm-ups of ``fixed_0``.
    """

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None
    auto: bool = False


class Slo(Value):
    """Objectives in milliseconds, the same for every mode; ``None`` where none is set.

    Attributes
    ----------
    warmups
        Warm-up requests that ``auto`` took its values from; 0 where every value was stated.
    """

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None
    warmups: int = 0

    @property
    def limits(self) -> tuple[tuple[RequestTime, float], ...]:
        """The objectives that are set."""
        stated = ((RequestTime.TTFT, self.ttft_ms), (RequestTime.TPOT, self.tpot_ms), (RequestTime.E2E, self.e2e_ms))
        return tuple((time, limit_ms) for time, limit_ms in stated if limit_ms is not None)


class ObjectiveAttainment(Value):
    """How often one objective was kept.

    Attributes
    ----------
    attainment
        Of the failed requests and those whose time is known; ``None`` if there are none.
    unknown
        Successful requests whose time is not known.
    """

    time: RequestTime
    limit_ms: float
    attainment: Share | None
    unknown: int


class PhaseAttainment(Value):
    """How one mode kept the objectives in one phase.

    Attributes
    ----------
    unknown
        Successful requests of which a time that has an objective is not known; in none of the figures.
    attainment
        Share of the other requests that met every objective; a failed request meets none. ``None`` if there are no
        others.
    goodput_per_s
        Requests that met every objective, by the seconds that all judged requests took.
    over_s, over_share
        Time spent in requests that missed, in seconds and as a share of the judged requests' time.
    against_reference
        ``None`` for the reference mode, and where no block holds both.
    """

    mode: str
    phase: Phase
    requests: int
    failures: int
    unknown: int
    attainment: Share | None
    by_objective: tuple[ObjectiveAttainment, ...]
    goodput_per_s: float | None
    over_s: float
    over_share: float | None
    against_reference: PairedDifference | None


class SloSummary(Value):
    """How every mode kept the objectives in every phase."""

    slo: Slo
    reference: str
    phases: tuple[PhaseAttainment, ...]


def parse_slo(texts: Sequence[str]) -> SloRequest:
    """Read objectives such as ``ttft_ms=400``, and the word ``auto``.

    Raises
    ------
    ValueError
        If there are none, or one has another name, is no number above 0, or is stated twice.
    """
    names = [time.value for time in RequestTime]
    allowed = f"it takes {', '.join(f'{name}=MS' for name in names)} or {AUTO}"
    if not texts:
        raise ValueError(f"--slo says nothing; {allowed}.")
    stated: dict[str, float] = {}
    auto = False
    for text in texts:
        shown = printable(text, limit=60)
        name, equals, number = text.strip().partition("=")
        if (name in stated) or (auto and text.strip() == AUTO):
            raise ValueError(f"--slo states {printable(name, limit=60)} twice; {allowed}, each once.")
        if text.strip() == AUTO:
            auto = True
        elif not equals or name not in names:
            raise ValueError(f"--slo {shown} names no objective; {allowed}.")
        else:
            stated[name] = _milliseconds(number, f"--slo {shown} is not a number of milliseconds above 0; {allowed}.")
    return SloRequest(
        ttft_ms=stated.get(RequestTime.TTFT),
        tpot_ms=stated.get(RequestTime.TPOT),
        e2e_ms=stated.get(RequestTime.E2E),
        auto=auto,
    )


def resolve(slo: SloRequest, requests: Requests) -> Slo:
    """Return the objectives as numbers; ``auto`` takes `AUTO_FACTOR` times the median of ``fixed_0``'s warm-ups.

    A time that those warm-ups lack (no TTFT without streaming) gets no objective.

    Raises
    ------
    ValueError
        If ``auto`` was asked for and there is no successful warm-up of ``fixed_0``.
    """
    stated = {RequestTime.TTFT: slo.ttft_ms, RequestTime.TPOT: slo.tpot_ms, RequestTime.E2E: slo.e2e_ms}
    if not slo.auto:
        return Slo(ttft_ms=slo.ttft_ms, tpot_ms=slo.tpot_ms, e2e_ms=slo.e2e_ms)
    warmups = requests.warmups.of_mode(NO_SPECULATION).successes
    if not len(warmups):
        raise ValueError(
            f"--slo {AUTO} takes its values from the warm-up of {NO_SPECULATION}, and this run has none that succeeded;"
            " state them, as in --slo e2e_ms=6000."
        )
    for time in (time for time, limit in stated.items() if limit is None):
        known = times_of(warmups, time)
        known = known[np.isfinite(known)]
        stated[time] = AUTO_FACTOR * float(np.median(known)) if len(known) else None
    return Slo(
        ttft_ms=stated[RequestTime.TTFT],
        tpot_ms=stated[RequestTime.TPOT],
        e2e_ms=stated[RequestTime.E2E],
        warmups=len(warmups),
    )


def score(requests: Requests, slo: Slo, *, reference: str, seed: int = 1, compared: bool = True) -> SloSummary:
    """Judge the measured requests of a run by its objectives.

    Attainment has Wilson's interval, which takes requests for independent. Those of one block are more alike than that,
    so that the interval is too narrow rather than too wide; differences to the reference mode are therefore tested over
    blocks.

    Parameters
    ----------
    reference
        The mode that the others are compared with; where it was not run, nothing is compared.
    seed
        Of the signs that are drawn where there are too many blocks to go through all patterns.
    compared
        Whether the way the run was made allows to compare modes.
    """
    measured = requests.measured
    judged = _judge(measured, slo)
    differences = (
        attainment_differences(measured.where(judged.known), judged.met[judged.known], reference=reference, seed=seed)
        if compared
        else {}
    )
    return SloSummary(
        slo=slo,
        reference=reference,
        phases=tuple(
            _attainment(mode, phase, _in_cell(measured, mode, phase), measured, judged, differences)
            for mode in measured.modes_here
            for phase in measured.of_mode(mode).phases_here
        ),
    )


@dataclass(frozen=True)
class _Judged:
    """What became of each request: under each objective, and under all of them."""

    by_objective: tuple[tuple[RequestTime, float, Flags, Flags], ...]
    known: Flags
    met: Flags


def _judge(requests: Requests, slo: Slo) -> _Judged:
    by_objective = []
    known, met = np.ones(len(requests), dtype=np.bool_), requests.success.copy()
    for time, limit_ms in slo.limits:
        taken_ms = times_of(requests, time)
        known_here = ~requests.success | np.isfinite(taken_ms)
        met_here = requests.success & (taken_ms <= limit_ms)
        by_objective.append((time, limit_ms, known_here, met_here))
        known, met = known & known_here, met & met_here
    return _Judged(tuple(by_objective), known, met)


def _in_cell(requests: Requests, mode: str, phase: Phase) -> Flags:
    here: Flags = (requests.mode == requests.modes.index(mode)) & (requests.phase == PHASES.index(phase))
    return here


def _attainment(
    mode: str,
    phase: Phase,
    here: Flags,
    requests: Requests,
    judged: _Judged,
    differences: Mapping[tuple[str, Phase], PairedDifference],
) -> PhaseAttainment:
    counted, met = here & judged.known, here & judged.known & judged.met
    took_s = float(requests.latency_ms[counted].sum()) / 1000
    over_s = float(requests.latency_ms[counted & ~met].sum()) / 1000
    return PhaseAttainment(
        mode=mode,
        phase=phase,
        requests=int(here.sum()),
        failures=int((here & ~requests.success).sum()),
        unknown=int((here & ~judged.known).sum()),
        attainment=_share(met, counted),
        by_objective=tuple(
            ObjectiveAttainment(
                time=time,
                limit_ms=limit_ms,
                attainment=_share(here & met_here, here & known_here),
                unknown=int((here & ~known_here).sum()),
            )
            for time, limit_ms, known_here, met_here in judged.by_objective
        ),
        goodput_per_s=int(met.sum()) / took_s if took_s > 0 else None,
        over_s=over_s,
        over_share=over_s / took_s if took_s > 0 else None,
        against_reference=differences.get((mode, phase)),
    )


def _share(met: Flags, of: Flags) -> Share | None:
    count = int(of.sum())
    return wilson(int(met.sum()), count) if count else None


def _milliseconds(number: str, complaint: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise ValueError(complaint) from None
    if not (math.isfinite(value) and value > 0):
        raise ValueError(complaint)
    return value
