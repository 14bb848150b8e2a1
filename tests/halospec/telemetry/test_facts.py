"""What is written down about the machine."""

from __future__ import annotations

import pynvml
import pytest

from halospec.telemetry.gpu import gpu_names
from halospec.telemetry.host import host_facts


class StandInDriver:
    """A stand-in for the NVIDIA driver, which most test machines lack."""

    def __init__(self, names: list[str] | None, *, breaks: bool = False) -> None:
        self.names = names
        self.breaks = breaks
        self.open = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pynvml, "nvmlInit", self._init)
        monkeypatch.setattr(pynvml, "nvmlShutdown", self._shutdown)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(self.names or []))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetName", self._name)

    def _init(self) -> None:
        if self.names is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        self.open += 1

    def _shutdown(self) -> None:
        self.open -= 1

    def _name(self, handle: int) -> str:
        if self.breaks:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return (self.names or [])[handle]


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    StandInDriver(None).install(monkeypatch)
    assert gpu_names() == ()


def test_gpus_are_named_and_the_driver_is_let_go(monkeypatch):
    driver = StandInDriver(["NVIDIA A", "NVIDIA B"])
    driver.install(monkeypatch)
    assert gpu_names() == ("NVIDIA A", "NVIDIA B")
    assert driver.open == 0


def test_a_driver_that_fails_is_reported_not_raised(monkeypatch):
    driver = StandInDriver(["NVIDIA A"], breaks=True)
    driver.install(monkeypatch)
    (told,) = gpu_names()
    assert told.startswith("unknown (")
    assert driver.open == 0


def test_the_host_is_described_without_empty_names():
    facts = host_facts()
    assert facts.cpu
    assert facts.usable_cores >= 1
    assert facts.memory_bytes > 10**8
