"""All GPUs of this machine, whoever made them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from halospec.telemetry.amd import NO_AMD_GPU, open_amd
from halospec.telemetry.nvidia import NO_NVIDIA_GPU, open_nvidia
from halospec.telemetry.protocol import Missing, Sampler, Surroundings

_NUMBERED = re.compile(r"gpu(\d+)")


def open_gpus(surroundings: Surroundings) -> Sequence[Sampler | Missing]:
    """Open NVIDIA's and then AMD's, numbered through; where one maker's are there, the other's are not missed."""
    nvidia = open_nvidia(surroundings)
    taken = [int(match[1]) for each in nvidia if (match := _NUMBERED.match(each.source))]
    found = (*nvidia, *open_amd(surroundings, first=max(taken, default=-1) + 1))
    there = [each for each in found if each not in (NO_NVIDIA_GPU, NO_AMD_GPU)]
    return tuple(there) or found
