"""llama.cpp's start, its log, its version and its failures."""

from __future__ import annotations

import ctypes
import logging
from typing import Any

import llama_cpp as capi

_log = logging.getLogger("halospec_server.llama")
_GGML_LOG_WARN, _GGML_LOG_ERROR = 3, 4


class LlamaError(RuntimeError):
    """llama.cpp refused or failed; the message says at what."""


@capi.llama_log_callback  # type: ignore[untyped-decorator]
def _forward_log(level: int, text: bytes, _data: Any) -> None:
    if level == _GGML_LOG_ERROR:
        _log.error("%s", text.decode(errors="replace").rstrip())
    elif level == _GGML_LOG_WARN:
        _log.debug("%s", text.decode(errors="replace").rstrip())


_started = False


def start_backend() -> None:
    """Initialise llama.cpp once and route its log into ``logging`` (a model load prints hundreds of lines)."""
    global _started
    if not _started:
        capi.llama_log_set(_forward_log, ctypes.c_void_p(0))
        capi.llama_backend_init()
        _started = True


def version() -> str:
    """Return the llama-cpp-python version in use."""
    return str(capi.__version__)
