"""Matrix instructions that some virtual machines announce and do not run."""

from __future__ import annotations

from halospec.doctor.checks.virtual_machine import is_virtual
from halospec.doctor.cpu_flags import cpu_flags
from halospec.doctor.judgement import Judgement, good
from halospec.doctor.machine import Machine
from halospec.records.fitness import State

_TILES = ("amx_tile", "amx_int8", "amx_bf16")
_REMEDY = (
    'build llama.cpp for any CPU: CMAKE_ARGS="-DGGML_NATIVE=OFF" (from a checkout: python servers/build_llama_cpp.py)'
)


def tile_instructions(machine: Machine) -> Judgement:
    """Judge whether a llama.cpp that was built for this very CPU may be killed by an illegal instruction (SIGILL)."""
    announced = sorted(cpu_flags(machine.files).intersection(_TILES))
    if not announced:
        return good("none announced (AMX)")
    found = f"{', '.join(announced)} announced"
    if is_virtual(machine.files):
        return Judgement(State.WARNING, f"{found} by a virtual machine: on some, using them kills the server", _REMEDY)
    return good(f"{found} by the CPU itself")
