"""What requests cost in energy, and how much power and heat went with them, where the machine counts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from halospec.analysis.accumulated import Accumulated
from halospec.analysis.readings import highest, overlapping
from halospec.analysis.requests import PHASES, Flags, Floats, Ints, Requests
from halospec.analysis.statistics import mean, ratio_of_sums
from halospec.analysis.telemetry_data import TelemetryData
from halospec.analysis.value import Value
from halospec.records.schema import Phase

PEAK_NS = 500_000_000
"""A peak is the highest mean power over this long: some counters move in steps further apart than the readings, so
that the power from one reading to the next may seem twice what it is."""
_FEWEST_READINGS = 2


@dataclass(frozen=True)
class EnergyMeter:
    """All that counts energy, taken together.

    Attributes
    ----------
    columns
        Of the telemetry: counters of joules, and gauges of watts for parts that have no counter.
    """

    columns: tuple[str, ...]
    parts: tuple[Accumulated, ...]

    def joules(self, started_ns: Ints, ended_ns: Ints) -> Floats:
        """Return the energy of each interval; NaN where one of the parts is not known."""
        summed: Floats = np.sum([part.over(started_ns, ended_ns) for part in self.parts], axis=0)
        return summed

    def mean_power_w(self, moments_ns: Ints) -> Floats:
        """Return the mean power over the `PEAK_NS` that end at each moment; NaN where it is not known."""
        return self.joules(moments_ns - PEAK_NS, moments_ns) / (PEAK_NS / 1e9)


class EnergyUse(Value):
    """The successful measured requests of one mode in one phase.

    Energy is of those whose interval the readings cover and that were alone. *Net* is less what the machine draws
    when nothing is asked of it; where other work ceased meanwhile that may be less than nothing, and stays so. In phase
    ``load`` all of it holds what the load draws, too.

    Attributes
    ----------
    requests
        All of them.
    overlapping
        Shared time with another request, so that nobody knows whose the energy was.
    not_covered
        Were alone, but lie outside the readings or in a gap of theirs.
    seconds, joules, net_joules
        Of those whose energy is known; ``None`` where there is none. ``net_joules`` and all that is made of it is
        ``None`` also where the idle power is not known.
    joules_per_request, net_joules_per_request
        Means.
    joules_per_token, net_joules_per_token, tokens_per_joule, tokens_per_net_joule
        Ratios of sums over those whose tokens are known, too. Tokens per joule are ``None`` where the joules are not
        above 0.
    mean_power_w
        Joules by seconds.
    peak_power_w
        The highest mean over `PEAK_NS` within one request, or over a whole request that is shorter.
    peak_temperature_c, hottest
        The highest that was read during any of these requests, and by which column.
    """

    mode: str
    phase: Phase
    requests: int
    overlapping: int
    not_covered: int
    seconds: float | None
    joules: float | None
    net_joules: float | None
    joules_per_request: float | None
    net_joules_per_request: float | None
    joules_per_token: float | None
    net_joules_per_token: float | None
    tokens_per_joule: float | None
    tokens_per_net_joule: float | None
    mean_power_w: float | None
    peak_power_w: float | None
    peak_temperature_c: float | None
    hottest: str | None


class Energy(Value):
    """The energy of a run's requests.

    Attributes
    ----------
    counted
        Columns whose sum it is; empty where nothing counts energy and only temperatures are known.
    idle_w, idle_seconds
        Power before the run, and for how long it was watched; ``None`` where it was not.
    within_one_reading
        Successful measured requests that took less time than lies between two readings, out of which theirs is
        interpolated.
    """

    counted: tuple[str, ...]
    idle_w: float | None
    idle_seconds: float | None
    within_one_reading: int
    uses: tuple[EnergyUse, ...]


def meter_of(telemetry: TelemetryData) -> EnergyMeter | None:
    """Return what the manifest says is to be summed, as far as it was ever read; ``None`` where nothing was."""
    account = telemetry.account
    if account is None:
        return None
    kinds = [(name, Accumulated.of_counter) for name in account.energy_counters]
    kinds += [(name, Accumulated.of_gauge) for name in account.power_gauges]
    read = [(name, made_of) for name, made_of in kinds if not np.isnan(telemetry.column(name)).all()]
    if not read:
        return None
    return EnergyMeter(
        tuple(name for name, _ in read),
        tuple(made_of(telemetry.at_ns, telemetry.column(name)) for name, made_of in read),
    )


def energy(requests: Requests, telemetry: TelemetryData | None) -> Energy | None:
    """Account for the energy of requests; ``None`` where neither energy nor a temperature was read.

    Parameters
    ----------
    requests
        Warm-up and failed ones among them: they too may share time with others.
    """
    if telemetry is None or len(telemetry) < _FEWEST_READINGS:
        return None
    meter, thermometers = meter_of(telemetry), _thermometers(telemetry)
    if meter is None and not thermometers:
        return None
    kept = requests.success & (requests.phase != PHASES.index(Phase.WARMUP))
    good = requests.where(kept)
    alone = ~overlapping(requests.started_ns, requests.ended_ns)[kept]
    joules = meter.joules(good.started_ns, good.ended_ns) if meter else np.full(len(good), np.nan)
    idle = telemetry.account.idle if meter and telemetry.account else None
    measured = _Measured(
        requests=good,
        alone=alone,
        joules=np.where(alone, joules, np.nan),
        idle_joules=_seconds(good) * (idle.watts if idle else np.nan),
        peak_w=_peak_power(meter, telemetry.at_ns, good) if meter else np.full(len(good), np.nan),
        heat={
            name: highest(telemetry.at_ns, telemetry.column(name), good.started_ns, good.ended_ns)
            for name in thermometers
        },
    )
    return Energy(
        counted=meter.columns if meter else (),
        idle_w=idle.watts if idle else None,
        idle_seconds=idle.seconds if idle else None,
        within_one_reading=int(np.count_nonzero(_lengths_ns(good) < np.median(np.diff(telemetry.at_ns)))),
        uses=tuple(measured.of(mode, phase) for mode in good.modes_here for phase in good.of_mode(mode).phases_here),
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Requests with what is known of each, NaN where it is not."""

    requests: Requests
    alone: Flags
    joules: Floats
    idle_joules: Floats
    peak_w: Floats
    heat: Mapping[str, Floats]

    def of(self, mode: str, phase: Phase) -> EnergyUse:
        seen = self.requests
        here = (seen.mode == seen.modes.index(mode)) & (seen.phase == PHASES.index(phase))
        known = here & ~np.isnan(self.joules)
        joules, net = self.joules[known], (self.joules - self.idle_joules)[known]
        tokens, seconds = seen.tokens[known], _seconds(seen)[known]
        heat = {name: top for name, values in self.heat.items() if (top := _top(values[here])) is not None}
        hottest = max(heat, key=heat.__getitem__, default=None)
        return EnergyUse(
            mode=mode,
            phase=phase,
            requests=int(np.count_nonzero(here)),
            overlapping=int(np.count_nonzero(here & ~self.alone)),
            not_covered=int(np.count_nonzero(here & self.alone & ~known)),
            seconds=_sum(seconds),
            joules=_sum(joules),
            net_joules=_sum(net),
            joules_per_request=mean(joules),
            net_joules_per_request=mean(net),
            joules_per_token=ratio_of_sums(joules, tokens),
            net_joules_per_token=ratio_of_sums(net, tokens),
            tokens_per_joule=_yield(tokens, joules),
            tokens_per_net_joule=_yield(tokens, net),
            mean_power_w=ratio_of_sums(joules, seconds),
            peak_power_w=_top(self.peak_w[known]),
            peak_temperature_c=heat[hottest] if hottest else None,
            hottest=hottest,
        )


def _peak_power(meter: EnergyMeter, at_ns: Ints, requests: Requests) -> Floats:
    """Return the highest mean power over `PEAK_NS` within each request; of one that is shorter its mean."""
    lengths_ns = _lengths_ns(requests)
    whole_w = meter.joules(requests.started_ns, requests.ended_ns) / np.where(lengths_ns > 0, lengths_ns / 1e9, np.nan)
    first_w = meter.mean_power_w(requests.started_ns + PEAK_NS)
    at_readings_w = highest(at_ns, meter.mean_power_w(at_ns), requests.started_ns + PEAK_NS, requests.ended_ns)
    last_w = meter.mean_power_w(requests.ended_ns)
    within_w = np.fmax(np.fmax(first_w, at_readings_w), last_w)
    return np.where(lengths_ns < PEAK_NS, whole_w, within_w)


def _thermometers(telemetry: TelemetryData) -> tuple[str, ...]:
    return tuple(
        name
        for name, values in telemetry.columns.items()
        if name.endswith(".temperature_c") and not np.isnan(values).all()
    )


def _lengths_ns(requests: Requests) -> Ints:
    return requests.ended_ns - requests.started_ns


def _seconds(requests: Requests) -> Floats:
    return _lengths_ns(requests) / 1e9


def _sum(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return math.fsum(known.tolist()) if len(known) else None


def _top(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else None


def _yield(tokens: Floats, joules: Floats) -> float | None:
    spent = math.fsum(joules[~(np.isnan(joules) | np.isnan(tokens))].tolist())
    return ratio_of_sums(tokens, joules) if spent > 0 else None
