"""How near the CPU is to the heat at which it slows itself down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from halospec.doctor.judgement import Judgement, Unseen, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

NEAR_C = 10.0
"""Kelvins below its limit from which a sensor is a warning: within what a minute of load adds."""
NO_SENSORS = "the system shows nothing of heat, as is usual in a virtual machine"
_OF_CPUS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")
_POSSIBLE_C = (0.0, 150.0)
"""Some drivers fill in limits that no chip has."""


@dataclass(frozen=True)
class Sensor:
    """A temperature in °C, and the limits that it names, if any."""

    name: str
    now_c: float
    high_c: float | None = None
    critical_c: float | None = None

    @property
    def limit_c(self) -> float | None:
        """The lowest of its limits that makes sense."""
        return min(
            (c for c in (self.high_c, self.critical_c) if c and _POSSIBLE_C[0] < c < _POSSIBLE_C[1]), default=None
        )


def temperature(machine: Machine) -> Judgement:  # noqa: ARG001 - psutil finds the sensors by itself
    """Judge the CPU's hottest sensor."""
    if not hasattr(psutil, "sensors_temperatures"):
        raise Unseen("psutil reads no temperatures on this system")
    chips = psutil.sensors_temperatures()
    named = [chip for chip in chips if chip in _OF_CPUS] or list(chips)
    return judge_sensors(
        Sensor(entry.label or chip, entry.current, entry.high, entry.critical)
        for chip in named
        for entry in chips[chip]
        if entry.current is not None
    )


def judge_sensors(sensors: Iterable[Sensor]) -> Judgement:
    """Judge the sensor that is nearest to its limit, or, where none names a limit, the hottest."""
    readings = list(sensors)
    if not readings:
        raise Unseen(NO_SENSORS)
    with_limit = [(sensor.limit_c - sensor.now_c, sensor) for sensor in readings if sensor.limit_c is not None]
    if not with_limit:
        hottest = max(readings, key=lambda sensor: sensor.now_c)
        return Judgement(State.NOTE, f"{hottest.name} at {hottest.now_c:.0f} °C; its limit is not told")
    left_c, sensor = min(with_limit, key=lambda pair: pair[0])
    found = f"{sensor.name} at {sensor.now_c:.0f} °C, {abs(left_c):.0f} {'below' if left_c > 0 else 'above'} its limit"
    if left_c > NEAR_C:
        return good(found)
    return Judgement(
        State.WARNING if left_c > 0 else State.BAD, found, "let it cool down; see to fans and dust; lower the clock"
    )
