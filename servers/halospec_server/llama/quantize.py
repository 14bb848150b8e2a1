"""llama.cpp's own quantiser."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Literal

import llama_cpp as capi

from halospec_server.llama.backend import LlamaError, start_backend


def requantize(source: Path, destination: Path, ftype: Literal["F32", "Q4_0"], n_threads: int) -> None:
    """Write a copy of a GGUF file in another weight format with llama.cpp's own quantiser."""
    start_backend()
    params = capi.llama_model_quantize_default_params()
    params.ftype = {"F32": capi.LLAMA_FTYPE_ALL_F32, "Q4_0": capi.LLAMA_FTYPE_MOSTLY_Q4_0}[ftype]
    params.allow_requantize = True
    params.nthread = n_threads
    status = capi.llama_model_quantize(str(source).encode(), str(destination).encode(), ctypes.byref(params))
    if status != 0:
        raise LlamaError(f"llama.cpp could not write {destination.name} from {source.name} (status {status}).")
