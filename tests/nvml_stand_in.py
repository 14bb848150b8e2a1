"""A stand-in for NVIDIA's driver as pynvml shows it, for machines without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

POWER = "nvmlDeviceGetPowerUsage"
ENERGY = "nvmlDeviceGetTotalEnergyConsumption"
UTILIZATION = "nvmlDeviceGetUtilizationRates"
MEMORY = "nvmlDeviceGetMemoryInfo"
TEMPERATURE = "nvmlDeviceGetTemperature"
CLOCK = "nvmlDeviceGetClockInfo"
REASONS = "nvmlDeviceGetCurrentClocksEventReasons"
OLD_REASONS = "nvmlDeviceGetCurrentClocksThrottleReasons"


@dataclass
class StandInGpu:
    """A card, as the driver counts: milliwatts, millijoules, bytes, degrees, megahertz, a bit mask."""

    power_mw: int = 250_500
    energy_mj: int = 7_000_000
    utilization: int = 93
    memory_used: int = 8 * 2**30
    temperature: int = 71
    sm_clock: int = 1980
    reasons: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    """Errors by call; ``*`` stands for every call."""
    asked: list[str] = field(default_factory=list)


class StandInNvml:
    """The driver: what it answers, and how often it was opened."""

    def __init__(self, *gpus: StandInGpu, init_error: int | None = None) -> None:
        self.gpus = gpus
        self.init_error = init_error
        self.open = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> StandInNvml:
        answers = {
            POWER: lambda gpu: gpu.power_mw,
            ENERGY: lambda gpu: gpu.energy_mj,
            UTILIZATION: lambda gpu: SimpleNamespace(gpu=gpu.utilization, memory=0),
            MEMORY: lambda gpu: SimpleNamespace(used=gpu.memory_used),
            TEMPERATURE: lambda gpu, _sensor: gpu.temperature,
            CLOCK: lambda gpu, _clock: gpu.sm_clock,
            REASONS: lambda gpu: gpu.reasons,
            OLD_REASONS: lambda gpu: gpu.reasons,
        }
        monkeypatch.setattr(pynvml, "nvmlInit", self._init)
        monkeypatch.setattr(pynvml, "nvmlShutdown", self._shutdown)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(self.gpus))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", self._handle)
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, self._answering(name, answer))
        return self

    def _init(self) -> None:
        if self.init_error is not None:
            raise pynvml.NVMLError(self.init_error)
        self.open += 1

    def _shutdown(self) -> None:
        if not self.open:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
        self.open -= 1

    def _handle(self, index: int) -> StandInGpu:
        self._check(self.gpus[index], "nvmlDeviceGetHandleByIndex")
        return self.gpus[index]

    def _answering(self, name: str, answer: Any) -> Any:
        def call(gpu: StandInGpu, *arguments: object) -> object:
            assert self.open, f"{name} was called without the driver"
            gpu.asked.append(name)
            self._check(gpu, name)
            return answer(gpu, *arguments)

        return call

    def _check(self, gpu: StandInGpu, name: str) -> None:
        error = gpu.failing.get(name, gpu.failing.get("*"))
        if error is not None:
            raise pynvml.NVMLError(error)
