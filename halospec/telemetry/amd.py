"""AMD GPUs, read through the files of the Linux driver amdgpu."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from halospec.telemetry.counters import Unwrapped
from halospec.telemetry.powercap import package_energy_is_readable
from halospec.telemetry.protocol import Column, Missing, Reading, Sampler, Surroundings
from halospec.telemetry.sysfs import SYSFS, OpenAttribute, shown_in

NO_AMD_GPU = Missing("gpu", "no AMD GPU")

_VENDOR = "0x1002"
_CARD = re.compile(r"card(\d+)")
_CURRENT_CLOCK = re.compile(r"(\d+)\s*[Mm][Hh]z\s*\*")
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENODATA, errno.ENOSYS})
_DISCRETE_METRICS = 1
"""First digit of the version of ``gpu_metrics`` for a card of its own; 2 and above are APUs."""


@dataclass(frozen=True)
class _Number:
    """Something that a card may show.

    Attributes
    ----------
    part
        Its name in a `Missing`.
    files
        Any of these shows it, the best first; relative to the card's device or to its hwmon directory.
    convert
        From what the file says to the column's unit.
    """

    part: str
    column: Column
    files: tuple[str, ...]
    convert: Callable[[str], float]


def _divided(by: float) -> Callable[[str], float]:
    return lambda text: int(text) / by


def _clock_mhz(text: str) -> float:
    """Return the clock from ``freq1_input`` (hertz) or from the marked line of ``pp_dpm_sclk``."""
    marked = _CURRENT_CLOCK.search(text)
    return float(marked[1]) if marked else int(text) / 1e6


def _numbers(*, power_counts: bool, has_energy: bool, with_cpu: bool) -> tuple[_Number, ...]:
    what = "GPU and the CPU beside it in one package" if with_cpu else "GPU"
    return (
        _Number(
            "power",
            Column("power_w", f"watts that the {what} draws", is_power=power_counts and not has_energy),
            ("power1_average", "power1_input"),
            _divided(1e6),
        ),
        _Number(
            "energy",
            Column("energy_j", f"joules that the {what} has used", is_energy=power_counts),
            ("energy1_input",),
            _divided(1),
        ),
        _Number(
            "utilization",
            Column("utilization_percent", "percent of the last moments in which the GPU computed anything"),
            ("gpu_busy_percent",),
            _divided(1),
        ),
        _Number(
            "memory",
            Column("memory_used_bytes", "bytes of the GPU's own memory in use"),
            ("mem_info_vram_used",),
            _divided(1),
        ),
        _Number(
            "shared_memory",
            Column("shared_memory_used_bytes", "bytes of the system's memory that the GPU uses"),
            ("mem_info_gtt_used",),
            _divided(1),
        ),
        _Number(
            "temperature",
            Column("temperature_c", "temperature of the GPU"),
            ("temp1_input", "temp2_input"),
            _divided(1000),
        ),
        _Number("clock", Column("sm_clock_mhz", "clock of the shaders"), ("freq1_input", "pp_dpm_sclk"), _clock_mhz),
    )


class AmdSampler:
    """Reads one card."""

    def __init__(self, index: int, opened: Sequence[tuple[_Number, OpenAttribute]]) -> None:
        self.source = f"gpu{index}"
        self.columns = tuple(number.column for number, _ in opened)
        self._opened = tuple(opened)
        self._energy = Unwrapped()

    def read(self) -> Reading:
        """Read all that the card shows now; a card that sleeps or is gone shows nothing."""
        values: dict[str, float] = {}
        for number, attribute in self._opened:
            try:
                value = number.convert(attribute.text())
            except (OSError, ValueError):
                continue
            values[number.column.name] = self._energy.advance(int(value)) / 1e6 if number.part == "energy" else value
        return values

    def close(self) -> None:
        """Close the files."""
        for _, attribute in self._opened:
            attribute.close()


def open_amd(
    _: Surroundings, *, first: int = 0, system: str = sys.platform, sysfs: Path = SYSFS
) -> Sequence[Sampler | Missing]:
    """Open every AMD GPU.

    Parameters
    ----------
    first
        The number of the first, where others have been counted before.
    """
    if system != "linux":
        return (Missing("gpu", f"AMD GPUs are read on Linux only, and this is {system}"),)
    found: list[Sampler | Missing] = []
    for index, device in enumerate(_devices(sysfs), start=first):
        found.extend(_opened(index, device, sysfs))
    return tuple(found) or (NO_AMD_GPU,)


def _devices(sysfs: Path) -> list[Path]:
    folder = sysfs / "class" / "drm"
    cards = folder.iterdir() if folder.is_dir() else ()
    numbered = sorted((int(match[1]), card) for card in cards if (match := _CARD.fullmatch(card.name)))
    return [card / "device" for _, card in numbered if shown_in(card / "device" / "vendor") == _VENDOR]


def _opened(index: int, device: Path, sysfs: Path) -> Iterator[Sampler | Missing]:
    folders = (device, *sorted((device / "hwmon").glob("hwmon*")))
    with_cpu = _holds_the_cpu(device, folders[1:])
    numbers = _numbers(
        # The processor's own counter, where it can be read, counts the same joules.
        power_counts=not (with_cpu and package_energy_is_readable(sysfs)),
        has_energy=any((folder / "energy1_input").exists() for folder in folders),
        with_cpu=with_cpu,
    )
    opened: list[tuple[_Number, OpenAttribute]] = []
    missing: list[Missing] = []
    for number in numbers:
        answer = _first_shown(number, folders)
        if isinstance(answer, OpenAttribute):
            opened.append((number, answer))
        elif number.part not in ("energy", "shared_memory"):
            missing.append(Missing(f"gpu{index}.{number.part}", answer))
    if opened:
        yield AmdSampler(index, opened)
        yield from missing
    else:
        yield Missing(
            f"gpu{index}",
            "an AMD GPU is there, but shows nothing of itself",
            "load its driver: sudo modprobe amdgpu",
        )


def _first_shown(number: _Number, folders: Sequence[Path]) -> OpenAttribute | str:
    """Return the first file that shows a number, or why there is none."""
    reason = f"this GPU does not report its {number.part.replace('_', ' ')}"
    for path in (folder / name for name in number.files for folder in folders):
        try:
            attribute = OpenAttribute(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            reason = f"{path.name} cannot be opened: {os.strerror(error.errno or 0)}"
            continue
        try:
            number.convert(attribute.text())
        except OSError as error:
            # Any other failure passes, such as that of a card which sleeps now and will not during the run.
            if error.errno not in _UNSUPPORTED:
                return attribute
        except ValueError:
            reason = f"{path.name} shows no number"
        else:
            return attribute
        attribute.close()
    return reason


def _holds_the_cpu(device: Path, sensors: Sequence[Path]) -> bool:
    """Return whether the GPU is part of an APU, whose power is that of GPU and CPU together."""
    try:
        with (device / "gpu_metrics").open("rb") as metrics:
            header = metrics.read(4)
    except OSError:
        header = b""
    if len(header) == 4 and header[2]:
        return header[2] > _DISCRETE_METRICS
    # Older kernels have no metrics; only an APU has a north bridge whose voltage they show.
    return any(shown_in(folder / "in1_label") == "vddnb" for folder in sensors)
