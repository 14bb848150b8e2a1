"""How much memory a pair takes, reckoned before it is loaded."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH
from halospec_server.model_files.gguf_header import ModelShape

_LOGIT_BYTES = 4
_WIDEST_ROUND = MAX_DRAFT_LENGTH + 1
"""Rows of logits that one sequence asks of the target in a round."""


def available_memory_bytes(control_group: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what this process may still take: of the machine's memory, and of a container's limit if there is one."""
    available = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):  # no limit reads "max", and elsewhere than on Linux there is no file
        limit, used = (int((control_group / name).read_text()) for name in ("memory.max", "memory.current"))
        available = min(available, max(0, limit - used))
    return available


@dataclass(frozen=True)
class Layout:
    """What a server keeps room for; exact attention keeps the target's keys and values in single precision."""

    ctx_size: int
    parallel: int
    exact_attention: bool = False


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that one model takes at least.

    Attributes
    ----------
    weights
        The size of the file: weights are mapped into memory as they are.
    kv, logits
        None where the file has not said yet what decides them.
    """

    weights: int
    kv: int | None
    logits: int | None

    @property
    def total(self) -> int:
        """The sum of what is known."""
        return self.weights + (self.kv or 0) + (self.logits or 0)


def target_estimate(size_bytes: int, shape: ModelShape | None, layout: Layout) -> MemoryEstimate:
    """Reckon a target: weights, KV of every sequence at its longest, and logits of a round of all of them.

    What llama.cpp computes with meanwhile, and Python itself, are not in it, so it is a lower bound: for the embedded
    pair it gives 736 MB with one sequence and 1030 MB with four, where the process grew by 789 and 1074 MB.
    """
    return _estimate(size_bytes, shape, layout, rows=_WIDEST_ROUND, kv_width=2 if layout.exact_attention else 1)


def draft_estimate(size_bytes: int, shape: ModelShape | None, layout: Layout) -> MemoryEstimate:
    """Reckon a draft model, which gives one row of logits a sequence at a time."""
    return _estimate(size_bytes, shape, layout, rows=1)


def _estimate(
    size_bytes: int, shape: ModelShape | None, layout: Layout, rows: int, kv_width: int = 1
) -> MemoryEstimate:
    if shape is None:
        return MemoryEstimate(size_bytes, None, None)
    return MemoryEstimate(
        weights=size_bytes,
        kv=layout.ctx_size * layout.parallel * shape.kv_bytes_per_position * kv_width,
        logits=layout.parallel * rows * shape.n_vocab * _LOGIT_BYTES,
    )
