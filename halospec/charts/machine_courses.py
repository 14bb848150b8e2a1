"""Courses of a machine's numbers over time, out of its telemetry: one panel's worth a function, none where unread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from halospec.analysis.accumulated import Accumulated
from halospec.analysis.energy import meter_of
from halospec.analysis.memory_use import ON_THE_GPU, RESIDENT
from halospec.analysis.requests import Floats
from halospec.analysis.telemetry_data import TelemetryData
from halospec.charts.over_time import Course

HOST_CPU = "host.cpu_percent"
SERVER_CPU = "server.cpu_percent"

_GIBIBYTE = 2**30
_ONE_CORE = re.compile(r"host\.cpu\d+_percent", re.ASCII)
_GPU_MEMORY = re.compile(r"(gpu\d+)\.memory_used_bytes", re.ASCII)
_TEMPERATURE = re.compile(r"(.+)\.temperature_c", re.DOTALL)
_PRESSURE = re.compile(r"host\.pressure_(\w+)_us", re.ASCII)


def cpu(telemetry: TelemetryData) -> tuple[str, list[Course]]:
    """Return the CPU of the host and of the server in the same unit, and that unit."""
    cores = sum(_ONE_CORE.fullmatch(name) is not None for name in telemetry.columns)
    if not cores:
        # Without the number of cores there is no telling what share of all of them the server's is.
        return "server CPU\n(cores busy)", list(_scaled(telemetry, {SERVER_CPU: ("server", 100.0)}))
    shares = {HOST_CPU: (f"host, of {cores} cores", 100.0 / cores), SERVER_CPU: ("server", 100.0)}
    return "CPU\n(cores busy)", list(_scaled(telemetry, shares))


def memory(telemetry: TelemetryData) -> list[Course]:
    """Return memory in GiB."""
    shares = {
        RESIDENT: ("server, resident", _GIBIBYTE),
        "host.memory_used_bytes": ("host, used", _GIBIBYTE),
        ON_THE_GPU: ("server, on GPUs", _GIBIBYTE),
    }
    shares |= {
        name: (f"{found[1]}, used", _GIBIBYTE) for name in telemetry.columns if (found := _GPU_MEMORY.fullmatch(name))
    }
    return list(_scaled(telemetry, shares))


def power(telemetry: TelemetryData) -> list[Course]:
    """Return the power of all that counts energy, in watts."""
    meter = meter_of(telemetry)
    if meter is None:
        return []
    return [Course(" + ".join(meter.columns), telemetry.at_ns, meter.mean_power_w(telemetry.at_ns))]


def temperature(telemetry: TelemetryData) -> list[Course]:
    """Return temperatures in degrees Celsius."""
    names = {name: (found[1], 1.0) for name in telemetry.columns if (found := _TEMPERATURE.fullmatch(name))}
    return list(_scaled(telemetry, names))


def bandwidth(telemetry: TelemetryData) -> list[Course]:
    """Return the memory's bandwidth in GB/s."""
    return list(_rates(telemetry, {"bandwidth.read_bytes": "read", "bandwidth.write_bytes": "written"}, 1e-9))


def pressure(telemetry: TelemetryData) -> list[Course]:
    """Return in how much of the time some task waited for CPU, memory or I/O, in percent."""
    names = {name: found[1].removesuffix("_some") for name in telemetry.columns if (found := _PRESSURE.fullmatch(name))}
    return list(_rates(telemetry, names, 100e-6))


def _scaled(telemetry: TelemetryData, shares: Mapping[str, tuple[str, float]]) -> Iterator[Course]:
    for name, (label, divisor) in shares.items():
        values = telemetry.column(name)
        if not np.isnan(values).all():
            yield Course(label, telemetry.at_ns, values / divisor)


def _rates(telemetry: TelemetryData, names: Mapping[str, str], scale: float) -> Iterator[Course]:
    for name, label in names.items():
        counted = Accumulated.of_counter(telemetry.at_ns, telemetry.column(name))
        rates: Floats = counted.rates * scale
        if not np.isnan(rates).all():
            yield Course(label, counted.at_ns[1:], rates)
