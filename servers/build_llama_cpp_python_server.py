"""Put llama-cpp-python's own server into a virtual environment of its own, as a peer to measure against.

    .venv/bin/python servers/build_llama_cpp_python_server.py

prints the path of an interpreter whose ``-m llama_cpp.server`` runs it, and nothing else on standard output. It is the
very wheel that the bundled server stands on (``build_llama_cpp.py``), with what its extra ``server`` asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from build_llama_cpp import llama_cpp_python
from peer_environments import PeerEnvironment, output_of
from wheel_builds import run_set_up, say, wheel_of


def set_up(environment: Mapping[str, str]) -> None:
    """Build and install what is not there yet, and print the interpreter's path."""
    distribution = llama_cpp_python()
    peer = PeerEnvironment.of(distribution, environment)
    if peer.program is None:
        wheel = wheel_of(distribution, environment)
        peer.make(wheel, extra="server")
        output_of(peer.python, "-m", "llama_cpp.server", "--help")
        peer.complete(peer.python)
        say(f"Installed llama-cpp-python's server from {wheel}")
    sys.stdout.write(f"{peer.python}\n")


if __name__ == "__main__":
    sys.exit(run_set_up(set_up, llama_cpp_python().name))
