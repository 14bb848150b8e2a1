"""The devices of this build of llama.cpp, and a `Placement` put into the parameters of a model.

llama_cpp does not bind ggml's device functions, so the few needed are bound here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

import llama_cpp as capi
from llama_cpp._ctypes_extensions import load_shared_library
from llama_cpp._ggml import libggml, libggml_base_path

from halospec_server.devices import Device, DeviceError, DeviceKind, Placement

_KINDS = (DeviceKind.CPU, DeviceKind.GPU, DeviceKind.IGPU, DeviceKind.ACCEL, DeviceKind.META)
"""In the order of ``enum ggml_backend_dev_type``."""


class _Ggml:
    """ggml's functions about devices. They live in two libraries: the registry of backends, and ggml's base."""

    def __init__(self) -> None:
        base = load_shared_library("ggml-base", libggml_base_path)
        self.count = _bind(libggml.ggml_backend_dev_count, ctypes.c_size_t)
        self.get = _bind(libggml.ggml_backend_dev_get, ctypes.c_void_p, ctypes.c_size_t)
        self.name = _bind(base.ggml_backend_dev_name, ctypes.c_char_p, ctypes.c_void_p)
        self.description = _bind(base.ggml_backend_dev_description, ctypes.c_char_p, ctypes.c_void_p)
        self.kind = _bind(base.ggml_backend_dev_type, ctypes.c_int, ctypes.c_void_p)
        size = ctypes.POINTER(ctypes.c_size_t)
        self.memory = _bind(base.ggml_backend_dev_memory, None, ctypes.c_void_p, size, size)


def available_devices() -> list[Device]:
    """List everything this build of llama.cpp can compute on, the CPU included."""
    return [_describe(pointer) for pointer in _pointers()]


def place(params: capi.llama_model_params, placement: Placement) -> object:
    """Write a placement into the parameters a model is loaded with.

    Returns
    -------
    What ``params`` points to. Keep it until the model is loaded; llama.cpp has copied it by then.

    Raises
    ------
    DeviceError
        If llama.cpp has no such device, or more shares are given than devices.
    """
    devices = _device_list(placement)
    split = _split(placement)
    params.n_gpu_layers = placement.gpu_layers
    params.split_mode = capi.LLAMA_SPLIT_MODE_LAYER
    # llama_cpp's annotations know neither field as the pointer, which may be NULL, that it is.
    params.devices = ctypes.cast(devices, ctypes.c_void_p) if devices is not None else None  # type: ignore[assignment]
    params.tensor_split = split  # type: ignore[assignment]
    return devices, split


def _device_list(placement: Placement) -> ctypes.Array[ctypes.c_void_p] | None:
    """Return the devices, ended by NULL; None leaves the choice to llama.cpp."""
    if placement.gpu_layers == 0:
        # Without layers a GPU would still be given wide passes to compute; an empty list keeps it out altogether.
        return _null_terminated(())
    if not placement.devices:
        return None
    devices = {_describe(pointer).name.casefold(): pointer for pointer in _pointers()}
    for name in placement.devices:
        if name.casefold() not in devices:
            known = ", ".join(device.name for device in available_devices())
            raise DeviceError(f"llama.cpp has no device {name!r} here; it lists: {known}.")
    return _null_terminated([devices[name.casefold()] for name in placement.devices])


def _null_terminated(pointers: Sequence[int]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * (len(pointers) + 1))(*pointers, None)


def _split(placement: Placement) -> ctypes.Array[ctypes.c_float] | None:
    """Return the shares, as many as llama.cpp reads whatever the number of devices."""
    if not placement.tensor_split:
        return None
    room = int(capi.llama_max_devices())
    if len(placement.tensor_split) > room:
        raise DeviceError(f"The tensor split has {len(placement.tensor_split)} shares; llama.cpp takes {room} at most.")
    return (ctypes.c_float * room)(*placement.tensor_split)


def _describe(pointer: int) -> Device:
    ggml = _ggml()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    ggml.memory(pointer, ctypes.byref(free), ctypes.byref(total))
    return Device(
        name=ggml.name(pointer).decode(),
        description=ggml.description(pointer).decode(errors="replace"),
        kind=_KINDS[ggml.kind(pointer)],
        free_bytes=free.value,
        total_bytes=total.value,
    )


def _pointers() -> list[int]:
    ggml = _ggml()
    return [ggml.get(index) for index in range(ggml.count())]


@cache
def _ggml() -> _Ggml:
    return _Ggml()


def _bind(function: ctypes._NamedFuncPointer, restype: type | None, *argtypes: type) -> ctypes._NamedFuncPointer:
    function.restype = restype
    function.argtypes = argtypes
    return function
