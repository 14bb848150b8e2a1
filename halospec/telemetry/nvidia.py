"""NVIDIA GPUs, read through the driver's own library NVML."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pynvml

from halospec.telemetry.counters import Unwrapped
from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.sysfs import SYSFS, shown_in

NO_NVIDIA_GPU = Missing("gpu", "no NVIDIA GPU")

_VENDOR = "0x10de"
_DISPLAY_CLASS = "0x03"

_HARMLESS_REASONS = pynvml.nvmlClocksEventReasonGpuIdle | pynvml.nvmlClocksEventReasonApplicationsClocksSetting
"""Clocks are low because nothing is asked of the GPU, or because somebody set them so."""

_UNSUPPORTED = frozenset({pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND})
_GONE = frozenset(
    {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED}
)
_DRIVER_MISSING = frozenset({pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED})


@dataclass(frozen=True)
class _Number:
    """Something to ask a GPU for.

    Attributes
    ----------
    part
        Its name in a `Missing`.
    ask
        From the GPU's handle to one value a column.
    """

    part: str
    columns: tuple[Column, ...]
    ask: Callable[[object], tuple[float, ...]]


def _clock_reasons(handle: object) -> int:
    try:
        return int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        # Drivers before 535 know it by its older name.
        return int(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


def _throttling(handle: object) -> tuple[float, ...]:
    reasons = _clock_reasons(handle)
    return float(bool(reasons & ~_HARMLESS_REASONS)), float(reasons)


_ENERGY = _Number(
    "energy",
    (Column("energy_j", "joules that the GPU has used since its driver was loaded", is_energy=True),),
    lambda handle: (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle),),
)
_POWER = _Number(
    "power",
    (Column("power_w", "watts that the GPU draws"),),
    lambda handle: (pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,),
)
_NUMBERS = (
    _POWER,
    _ENERGY,
    _Number(
        "utilization",
        (Column("utilization_percent", "percent of the last moments in which the GPU computed anything"),),
        lambda handle: (float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),),
    ),
    _Number(
        "memory",
        (Column("memory_used_bytes", "bytes of the GPU's memory in use"),),
        lambda handle: (float(pynvml.nvmlDeviceGetMemoryInfo(handle).used),),
    ),
    _Number(
        "temperature",
        (Column("temperature_c", "temperature of the GPU"),),
        lambda handle: (float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),),
    ),
    _Number(
        "clock",
        (Column("sm_clock_mhz", "clock of the streaming multiprocessors"),),
        lambda handle: (float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)),),
    ),
    _Number(
        "throttling",
        (
            Column("throttled", "1 while clocks are held down by power, heat or the like, otherwise 0"),
            Column("throttle_reasons", "why clocks are what they are, as NVML's bit mask"),
        ),
        _throttling,
    ),
)


class NvidiaSampler:
    """Reads one GPU.

    Parameters
    ----------
    numbers
        What this GPU answers.

    Raises
    ------
    pynvml.NVMLError
        If the driver cannot be opened.
    """

    def __init__(self, index: int, handle: object, numbers: Sequence[_Number]) -> None:
        pynvml.nvmlInit()
        self.source = f"gpu{index}"
        self._handle = handle
        self._numbers = list(numbers)
        self._energy = Unwrapped()
        self._open = True
        self.columns = tuple(column for number in numbers for column in number.columns)

    def read(self) -> Reading:
        """Read all that the GPU answers now."""
        values: dict[str, float] = {}
        for number in tuple(self._numbers) if self._open else ():
            try:
                answer = number.ask(self._handle)
            except pynvml.NVMLError as error:
                if error.value in _UNSUPPORTED:
                    self._numbers.remove(number)
                elif error.value in _GONE:
                    # Each call to a GPU that fell off the bus may take long, and it does not come back.
                    self._numbers.clear()
                    return {}
                continue
            if number.part == _ENERGY.part:
                answer = (self._energy.advance(int(answer[0])) / 1000,)
            values.update(zip((column.name for column in number.columns), answer, strict=True))
        return values

    def close(self) -> None:
        """Let go of the driver."""
        if self._open:
            self._open = False
            _let_go()


def open_nvidia(_: Surroundings, *, sysfs: Path = SYSFS) -> Sequence[Sampler | Missing]:
    """Open every NVIDIA GPU."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (_without_driver(error, sysfs),)
    try:
        count = pynvml.nvmlDeviceGetCount()
        return tuple(found for index in range(count) for found in _opened(index)) or (NO_NVIDIA_GPU,)
    except pynvml.NVMLError as error:
        return (Missing("gpu", f"NVIDIA's driver does not say which GPUs there are ({error})"),)
    finally:
        _let_go()


def _opened(index: int) -> Iterator[Sampler | Missing]:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        answered, missing = _answered(index, handle)
        yield NvidiaSampler(index, handle, answered)
        yield from missing
    except pynvml.NVMLError as error:
        yield _unreachable(index, error)


def _answered(index: int, handle: object) -> tuple[list[_Number], list[Missing]]:
    """Return what this GPU can be asked for, and what it cannot.

    Raises
    ------
    pynvml.NVMLError
        If the GPU is gone.
    """
    answered: list[_Number] = []
    missing: list[Missing] = []
    for number in _NUMBERS:
        try:
            number.ask(handle)
        except pynvml.NVMLError as error:
            if error.value in _GONE:
                raise
            if error.value in _UNSUPPORTED:
                missing.append(Missing(f"gpu{index}.{number.part}", f"this GPU does not report its {number.part}"))
                continue
            if error.value == pynvml.NVML_ERROR_NO_PERMISSION:
                reason = f"the driver does not show this user the GPU's {number.part}"
                missing.append(Missing(f"gpu{index}.{number.part}", reason, "run HaloSpec as an administrator"))
                continue
        answered.append(number)
    if _ENERGY not in answered:
        answered = [_as_gauge(number) if number is _POWER else number for number in answered]
    return answered, missing


def _as_gauge(power: _Number) -> _Number:
    return replace(power, columns=tuple(replace(column, is_power=True) for column in power.columns))


def _without_driver(error: pynvml.NVMLError, sysfs: Path) -> Missing:
    if error.value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return Missing(
            "gpu",
            "NVIDIA's driver in the kernel is of another version than its library, as after an update",
            "restart the machine, or unload and load the nvidia kernel modules",
        )
    if error.value == pynvml.NVML_ERROR_NO_PERMISSION:
        return Missing(
            "gpu",
            "this user may not speak to NVIDIA's driver",
            "let this user read and write /dev/nvidia*, as a rule by joining the group video",
        )
    if error.value in _DRIVER_MISSING:
        if not _has_card(sysfs):
            return NO_NVIDIA_GPU
        return Missing(
            "gpu",
            "there is an NVIDIA GPU, but its driver is not loaded or not to be seen from here",
            "install NVIDIA's driver and load it (sudo modprobe nvidia); start a container with --gpus all",
        )
    return Missing("gpu", f"NVIDIA's driver does not answer ({error})", "see what nvidia-smi says")


def _unreachable(index: int, error: pynvml.NVMLError) -> Missing:
    if error.value in _GONE:
        return Missing(f"gpu{index}", "this GPU has fallen off the bus or needs a reset", "restart the machine")
    return Missing(f"gpu{index}", f"NVIDIA's driver does not open this GPU ({error})", "see what nvidia-smi says")


def _has_card(sysfs: Path) -> bool:
    devices = sysfs / "bus" / "pci" / "devices"
    return devices.is_dir() and any(
        shown_in(device / "vendor") == _VENDOR and (shown_in(device / "class") or "").startswith(_DISPLAY_CLASS)
        for device in devices.iterdir()
    )


def _let_go() -> None:
    # A driver that is gone has nothing left to give back.
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()
