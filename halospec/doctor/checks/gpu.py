"""NVIDIA GPUs: whether they are kept ready, slowed down, or busy with something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pynvml

from halospec.doctor.judgement import Judgement, Unseen, good, together
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

BUSY_PERCENT = 10
"""Utilisation from which something else is at work on a GPU that nobody has asked anything yet."""
_TOO_HOT = (
    pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonHwSlowdown
    | pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown
)


@dataclass(frozen=True)
class GpuState:
    """What NVML says of a GPU; ``None`` where this GPU or its driver does not tell."""

    name: str
    persistent: bool | None = None
    throttle_reasons: int | None = None
    busy_percent: int | None = None


def gpu(machine: Machine) -> Judgement:
    """Judge the NVIDIA GPUs, if a driver is there; note an AMD one."""
    states = gpu_states()
    if states:
        return judge_gpus(states)
    if machine.files.matching("sys/class/drm/card[0-9]*/device/gpu_busy_percent"):
        return Judgement(State.NOTE, "an AMD GPU; its clocks are not looked at")
    raise Unseen("no GPU driver is seen")


def judge_gpus(states: tuple[GpuState, ...]) -> Judgement:
    """Judge GPUs by their states."""
    return together([part for state in states for part in _parts(state)])


def _parts(state: GpuState) -> Iterator[Judgement]:
    if state.throttle_reasons is not None and state.throttle_reasons & _TOO_HOT:
        yield Judgement(
            State.BAD,
            f"{state.name} is slowed down for heat or power",
            "let it cool down; see to fans and power supply",
        )
    elif state.busy_percent is not None and state.busy_percent >= BUSY_PERCENT:
        yield Judgement(
            State.WARNING,
            f"{state.name} is {state.busy_percent} % busy already",
            "end what uses it: nvidia-smi lists it",
        )
    elif state.persistent is False:
        yield Judgement(
            State.NOTE,
            f"{state.name}'s driver is unloaded when nothing uses it",
            "sudo nvidia-smi --persistence-mode=1",
        )
    else:
        yield good(state.name)


def gpu_states() -> tuple[GpuState, ...]:
    """Read the GPUs' states; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_state(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        raise Unseen(f"the NVIDIA driver answers: {error}") from error
    finally:
        pynvml.nvmlShutdown()


def _state(handle: object) -> GpuState:
    persistence = _told(pynvml.nvmlDeviceGetPersistenceMode, handle)
    utilisation = _told(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return GpuState(
        name=str(pynvml.nvmlDeviceGetName(handle)),
        persistent=None if persistence is None else bool(persistence),
        throttle_reasons=_told(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle),
        busy_percent=None if utilisation is None else utilisation.gpu,
    )


def _told(ask: Callable[[object], Any], handle: object) -> Any:
    try:
        return ask(handle)
    except pynvml.NVMLError:
        # Which of these a GPU tells differs from model to model.
        return None
