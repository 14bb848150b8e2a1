"""Memory that is left, and swap."""

from __future__ import annotations

import psutil

from halospec.doctor.judgement import Judgement, good, together
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

TIGHT = 0.10
"""Share of the memory below which little is left for a model and its cache."""
FULL = 0.03
"""Share below which the system takes pages away from the model's file to serve others."""
SWAP_IN_USE = 0.01
"""Share of the memory; less is what idle services left behind long ago."""
_GIB = 2**30


def memory(machine: Machine) -> Judgement:
    """Judge what is available, what lies in swap, and what went there and back while the machine was watched."""
    there, swap = psutil.virtual_memory(), psutil.swap_memory()
    swapped = None if machine.look is None else machine.look.swapped_bytes
    return judge_memory(there.total, there.available, swap.used, swapped)


def judge_memory(total: int, available: int, swap_used: int, swapped: int | None) -> Judgement:
    """Judge the same from bytes; ``swapped`` is ``None`` where nothing counts it."""
    left = f"{available / _GIB:.1f} of {total / _GIB:.1f} GiB available"
    parts = [good(left)]
    if available < TIGHT * total:
        state = State.BAD if available < FULL * total else State.WARNING
        parts = [Judgement(state, left, "end what holds memory, or use a smaller model or context")]
    if swapped:
        parts.append(
            Judgement(
                State.BAD,
                f"{swapped / 2**20:.1f} MiB went to and from swap while we looked",
                "free memory until nothing is swapped any more",
            )
        )
    elif swap_used > SWAP_IN_USE * total:
        parts.append(
            Judgement(
                State.WARNING,
                f"{swap_used / _GIB:.1f} GiB lie in swap",
                "free memory, then: sudo swapoff -a && sudo swapon -a",
            )
        )
    else:
        parts.append(good("no swapping"))
    return together(parts)
