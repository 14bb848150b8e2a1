"""Where a model's layers go: the CPU, or the GPUs that llama.cpp was built for. Pure: nothing here asks the machine.

No part of HaloSpec was ever run on a GPU; these rules are tested on made-up lists of devices alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

ALL_LAYERS = -1


class DeviceError(RuntimeError):
    """A wish for a device that cannot be met; the message says why and what to do."""


class DeviceKind(StrEnum):
    """What llama.cpp takes a device for (``enum ggml_backend_dev_type``)."""

    CPU = "cpu"
    GPU = "gpu"
    IGPU = "igpu"
    ACCEL = "accel"
    META = "meta"


@dataclass(frozen=True)
class Device:
    """Something llama.cpp can compute on.

    Attributes
    ----------
    name
        As llama.cpp knows it, such as ``CUDA0``, ``Vulkan1`` or ``CPU``.
    free_bytes, total_bytes
        Its memory, as llama.cpp reports it.
    """

    name: str
    description: str
    kind: DeviceKind
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Placement:
    """Where one model's layers go. The default is the CPU alone.

    Attributes
    ----------
    gpu_layers
        Layers on GPU devices, the output layer counted as one; -1 for all.
    devices
        Names as llama.cpp lists them; empty leaves the choice to llama.cpp. Without effect when ``gpu_layers`` is 0.
    tensor_split
        The share of each device; empty leaves it to llama.cpp, which splits by free memory.
    """

    gpu_layers: int = 0
    devices: tuple[str, ...] = ()
    tensor_split: tuple[float, ...] = ()


ON_CPU = Placement()


class Preset(StrEnum):
    """Where the two models of a pair go relative to one another.

    ``same``: both on the first GPU. ``separate``: the target on the first GPU, the draft on the second, or on the CPU
    where there is none. ``ratio``: the target over all GPUs by their free memory, or by shares that are given, and the
    draft on the one with most left. ``auto``: GPUs if both models fit, or else the CPU.
    """

    SAME = "same"
    SEPARATE = "separate"
    RATIO = "ratio"
    AUTO = "auto"


@dataclass(frozen=True)
class PairBytes:
    """The memory that each model of a pair takes at least; 0 for a draft that is no model."""

    target: int
    draft: int


@dataclass(frozen=True)
class PlacementWish:
    """What a person asks for one model; None and empty where they leave it open."""

    gpu_layers: int | None = None
    devices: tuple[str, ...] = ()
    tensor_split: tuple[float, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked."""
        return self == NO_WISH

    @property
    def gpu_option(self) -> str | None:
        """The option that asks for a GPU, without what may stand before it; None if none does."""
        if self.is_open or self.gpu_layers == 0:
            return None
        return "gpu-layers" if self.gpu_layers is not None else "device" if self.devices else "tensor-split"


NO_WISH = PlacementWish()

_SPARED = 0.1
"""Part of a GPU's free memory that ``auto`` leaves for what llama.cpp computes with, which no estimate counts."""


def gpus_among(devices: Sequence[Device]) -> list[Device]:
    """Return the devices that layers can be put on: GPUs with memory of their own, or else integrated ones."""
    discrete = [device for device in devices if device.kind is DeviceKind.GPU]
    return discrete or [device for device in devices if device.kind is DeviceKind.IGPU]


def placements(
    preset: Preset, devices: Sequence[Device], needed: PairBytes, shares: Sequence[float] = ()
) -> tuple[Placement, Placement]:
    """Return where a target and its draft go.

    Parameters
    ----------
    shares
        For ``ratio``: the target's share of each GPU, in llama.cpp's order; by free memory if empty.

    Raises
    ------
    DeviceError
        If the preset needs a GPU and there is none, or ``shares`` are not as many as GPUs.
    """
    gpus = gpus_among(devices)
    if preset is Preset.AUTO:
        return _automatic(gpus, needed)
    _require_gpu(gpus, devices, f"--placement {preset}")
    if preset is Preset.SAME:
        return _whole_on(gpus[0]), _whole_on(gpus[0])
    if preset is Preset.SEPARATE:
        return _whole_on(gpus[0]), _whole_on(gpus[1]) if len(gpus) > 1 else ON_CPU
    return _by_ratio(gpus, needed, shares)


def place_pair(
    preset: Preset, target: PlacementWish, draft: PlacementWish, devices: Sequence[Device], needed: PairBytes
) -> tuple[Placement, Placement]:
    """Return where a target and its draft go: as the preset says, but for what is asked of one model by name.

    Raises
    ------
    DeviceError
        If a GPU is asked for and there is none, or a device that llama.cpp does not list, or another number of shares
        than of devices.
    """
    for wish, prefix in ((target, "--"), (draft, "--draft-")):
        if wish.gpu_option is not None:
            _require_gpu(gpus_among(devices), devices, prefix + wish.gpu_option)
    shares = target.tensor_split if preset is Preset.RATIO and not target.devices else ()
    for_target, for_draft = placements(preset, devices, needed, shares)
    return _as_wished(for_target, target, devices), _as_wished(for_draft, draft, devices)


def _automatic(gpus: Sequence[Device], needed: PairBytes) -> tuple[Placement, Placement]:
    if not gpus:
        return ON_CPU, ON_CPU
    roomiest = max(gpus, key=_usable)
    if needed.target + needed.draft <= _usable(roomiest):
        return _whole_on(roomiest), _whole_on(roomiest)
    if needed.target + needed.draft <= sum(map(_usable, gpus)):
        target, draft = _by_ratio(gpus, needed, ())
        return target, draft if needed.draft <= max(_left(gpus, needed.target, target.tensor_split)) else ON_CPU
    return ON_CPU, ON_CPU


def _by_ratio(gpus: Sequence[Device], needed: PairBytes, shares: Sequence[float]) -> tuple[Placement, Placement]:
    if shares and len(shares) != len(gpus):
        raise DeviceError(f"--tensor-split gives {len(shares)} shares and there are {len(gpus)} GPUs: {_names(gpus)}.")
    split = tuple(shares) or tuple(float(max(gpu.free_bytes, 1)) for gpu in gpus)
    left = _left(gpus, needed.target, split)
    emptiest = gpus[left.index(max(left))]
    return Placement(ALL_LAYERS, tuple(gpu.name for gpu in gpus), split), _whole_on(emptiest)


def _left(gpus: Sequence[Device], target_bytes: int, split: Sequence[float]) -> list[float]:
    """Return what each GPU has left for a draft beside its share of the target."""
    return [_usable(gpu) - target_bytes * share / sum(split) for gpu, share in zip(gpus, split, strict=True)]


def _as_wished(placement: Placement, wish: PlacementWish, devices: Sequence[Device]) -> Placement:
    if wish.is_open:
        return placement
    if wish.gpu_layers == 0:
        return ON_CPU
    wished = replace(
        placement,
        gpu_layers=(placement.gpu_layers or ALL_LAYERS) if wish.gpu_layers is None else wish.gpu_layers,
        devices=wish.devices or (() if wish.tensor_split else placement.devices),
        tensor_split=wish.tensor_split or (() if wish.devices else placement.tensor_split),
    )
    known = {gpu.name.casefold() for gpu in gpus_among(devices)}
    for name in wished.devices:
        if name.casefold() not in known:
            raise DeviceError(f"llama.cpp has no GPU {name!r} here; it lists: {_names(devices)}.")
    expected = len(wished.devices or gpus_among(devices))
    if wished.tensor_split and len(wished.tensor_split) != expected:
        raise DeviceError(f"The tensor split gives {len(wished.tensor_split)} shares for {expected} devices.")
    return wished


def _require_gpu(gpus: Sequence[Device], devices: Sequence[Device], option: str) -> None:
    if not gpus:
        raise DeviceError(
            f"{option} asks for a GPU and this build of llama.cpp has none (it lists: {_names(devices)}); leave that "
            "out, or build llama-cpp-python for your GPU, for instance with CMAKE_ARGS=-DGGML_CUDA=ON."
        )


def _usable(gpu: Device) -> float:
    return gpu.free_bytes * (1.0 - _SPARED)


def _whole_on(gpu: Device) -> Placement:
    return Placement(ALL_LAYERS, (gpu.name,))


def _names(devices: Sequence[Device]) -> str:
    return ", ".join(device.name for device in devices)
