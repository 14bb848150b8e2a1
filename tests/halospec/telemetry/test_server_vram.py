"""The server's GPU memory, from a stand-in for the NVIDIA driver, which most test machines lack."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import pynvml
import pytest

from halospec.telemetry.protocol import Surroundings
from halospec.telemetry.server_sampler import ServerSampler, open_server
from halospec.telemetry.server_vram import open_vram

GIB = 2**30


@dataclass
class OnGpu:
    """A process as the driver lists it."""

    pid: int
    usedGpuMemory: int | None  # noqa: N815  (NVML's name)


class StandInDriver:
    """A stand-in for NVML: which processes compute, and which draw, on each GPU."""

    def __init__(self, computing: list[list[OnGpu]], drawing: list[list[OnGpu]] | None = None) -> None:
        self.computing = computing
        self.drawing = drawing
        self.users = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pynvml, "nvmlInit", self._init)
        monkeypatch.setattr(pynvml, "nvmlShutdown", self._shutdown)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(self.computing))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda index: self.computing[index])
        monkeypatch.setattr(pynvml, "nvmlDeviceGetGraphicsRunningProcesses", self._drawing_on)

    def _init(self) -> None:
        self.users += 1

    def _shutdown(self) -> None:
        self.users -= 1

    def _drawing_on(self, index: int) -> list[OnGpu]:
        if self.drawing is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self.drawing[index]


@pytest.fixture
def driver(monkeypatch):
    def install(*args):
        made = StandInDriver(*args)
        made.install(monkeypatch)
        return made

    return install


def test_memory_is_summed_over_processes_and_gpus(driver):
    stand_in = driver([[OnGpu(1, GIB), OnGpu(9, 5 * GIB)], [OnGpu(1, 2 * GIB), OnGpu(2, 3 * GIB)]])
    vram = open_vram()
    assert vram.bytes_of({1, 2}) == 6 * GIB
    vram.close()
    vram.close()
    assert stand_in.users == 0


def test_a_process_that_computes_and_draws_is_counted_once(driver):
    driver([[OnGpu(1, GIB)]], [[OnGpu(1, GIB), OnGpu(2, GIB)]])
    assert open_vram().bytes_of({1}) == GIB


@pytest.mark.parametrize("listed", [[], [OnGpu(9, GIB)], [OnGpu(1, None)]])
def test_a_process_that_the_driver_does_not_know_or_tell_of_is_no_zero(driver, listed):
    driver([listed])
    assert open_vram().bytes_of({1}) is None


def test_without_a_driver_there_is_nothing_to_ask(monkeypatch):
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    assert open_vram() is None


def test_it_is_a_column_of_the_server(driver, listen):
    server = listen()
    stand_in = driver([[OnGpu(server.process.pid, GIB)]])
    (sampler,) = open_server(Surroundings(server.url))
    assert isinstance(sampler, ServerSampler)
    assert sampler.read()["vram_bytes"] == GIB
    # Asked for once a second.
    assert "vram_bytes" not in sampler.read()
    sampler.close()
    assert stand_in.users == 0


@pytest.mark.skipif(psutil.WINDOWS, reason="a driver may be there")
def test_a_driver_that_lists_no_gpu_is_let_go(driver, monkeypatch):
    stand_in = driver([[]])

    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", fail)
    assert open_vram() is None
    assert stand_in.users == 0
