"""Telemetry made of numbers, for a run made of numbers: no machine was read for it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from halospec.analysis.requests import Requests
from halospec.analysis.telemetry_data import TelemetryData
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import Phase
from halospec.records.telemetry import IdlePower, TelemetryAccount

TICK_NS = 100_000_000


def stand_in_telemetry(requests: Requests, *, tick_ns: int = TICK_NS) -> TelemetryData:
    """Readings of everything there is, from a second before the first of these requests to a second after the last.

    Under load all of it is higher.
    """
    at_ns = np.arange(requests.started_ns.min() - 10 * tick_ns, requests.ended_ns.max() + 11 * tick_ns, tick_ns)
    seconds = (at_ns - at_ns[0]) / 1e9
    loaded = np.zeros(len(at_ns))
    under_load = requests.in_phase(Phase.LOAD)
    for start, end in zip(under_load.started_ns, under_load.ended_ns, strict=True):
        loaded[(at_ns >= start) & (at_ns <= end)] = 1
    wave = np.sin(seconds * 3)
    step_s = tick_ns / 1e9
    columns = {
        "host.cpu_percent": 55 + 40 * loaded + 4 * wave,
        "host.cpu0_percent": 55 + 40 * loaded,
        "host.cpu1_percent": 55 + 40 * loaded,
        "host.memory_used_bytes": (3 + 0.5 * loaded) * 2**30,
        "host.pressure_cpu_some_us": np.cumsum((2e4 + 5e5 * loaded) * step_s),
        "host.temperature_c": 48 + 20 * loaded + wave,
        "server.cpu_percent": 100 - 40 * loaded + 5 * wave,
        "server.rss_bytes": (1.1 + 0.1 * np.minimum(seconds / 10, 1)) * 2**30,
        "server.vram_bytes": np.full(len(at_ns), 0.5 * 2**30),
        "gpu0.memory_used_bytes": np.full(len(at_ns), 0.8 * 2**30),
        "gpu0.temperature_c": 60 + 5 * wave,
        "gpu0.power_w": 80 + 30 * loaded,
        "energy.package-0_j": np.cumsum((30 + 15 * loaded) * step_s),
        "bandwidth.read_bytes": np.cumsum((5e9 + 4e9 * loaded) * step_s),
        "bandwidth.write_bytes": np.cumsum((2e9 + 4e9 * loaded) * step_s),
    }
    account = TelemetryAccount(
        hz=1e9 / tick_ns,
        energy_counters=("energy.package-0_j",),
        power_gauges=("gpu0.power_w",),
        idle=IdlePower(watts=60.0, seconds=5.0),
    )
    return TelemetryData(at_ns, columns, account)


def stand_in_loads(requests: Requests, names: tuple[str, ...] = ("cpu:75%", "memory:4GB/s")) -> tuple[LoadReport, ...]:
    """A report for each trial of these requests, its loads on while its requests of phase ``load`` ran."""
    return tuple(
        LoadReport(block=block, mode=mode, loads=tuple(_load(name, trial) for name in names))
        for mode, block, trial in requests.by_trial()
    )


def _load(name: str, trial: Requests) -> InjectedLoad:
    loaded = trial.in_phase(Phase.LOAD)
    kind = LoadKind(name.split(":")[0])
    if not len(loaded):
        return InjectedLoad(name=name, kind=kind, unit="%", workers=2, offered=75.0)
    edges = np.arange(loaded.started_ns.min(), loaded.ended_ns.max(), TICK_NS // 2)
    target = 75.0 if kind is LoadKind.CPU else 4.0
    samples = tuple(
        (int(start), int(end), target * (0.9 + 0.1 * (number % 3)), target, True)
        for number, (start, end) in enumerate(pairwise(edges))
    )
    unit = "%" if kind is LoadKind.CPU else "GB/s"
    return InjectedLoad(name=name, kind=kind, unit=unit, workers=2, offered=target, samples=samples)
