"""Starting the bundled server as a child: what is said when that fails."""

from __future__ import annotations

import importlib.util
import signal
import sys

import pytest

from halospec import server_process
from halospec.server_process import ServerProcessError, bundled_server, require_server_package


@pytest.fixture
def instead_of_the_server(monkeypatch):
    """Put another Python program in the server's place."""

    def use(program: str) -> None:
        monkeypatch.setattr(server_process, "require_server_package", lambda: None)
        monkeypatch.setattr(server_process, "server_command", lambda _arguments: [sys.executable, "-c", program])

    return use


def test_without_the_server_extra_it_says_how_to_install_it(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llama_cpp" else find_spec(name))
    with pytest.raises(ServerProcessError, match=r"needs llama_cpp; install it with: .*halospec\[server\]"):
        require_server_package()


def test_a_server_that_dies_is_reported_with_its_last_words(instead_of_the_server, tmp_path):
    instead_of_the_server("import sys; sys.exit('There is no model file x.gguf.')")
    with (
        pytest.raises(ServerProcessError, match=r"ended with status 1: There is no model file x\.gguf\."),
        bundled_server([], tmp_path / "server.log"),
    ):
        pytest.fail("it never answered")


@pytest.mark.skipif(not hasattr(signal, "SIGILL") or sys.platform == "win32", reason="no such signal here")
def test_an_illegal_instruction_is_reported_with_its_remedy(instead_of_the_server, tmp_path):
    instead_of_the_server("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    with (
        pytest.raises(ServerProcessError, match=r"illegal instruction.*GGML_NATIVE=OFF"),
        bundled_server([], tmp_path / "server.log"),
    ):
        pytest.fail("it never answered")
