"""NVIDIA GPUs, by name, through NVML."""

from __future__ import annotations

import pynvml


def gpu_names() -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
    except pynvml.NVMLError as error:
        return (f"unknown ({error})",)
    finally:
        pynvml.nvmlShutdown()
