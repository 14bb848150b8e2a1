"""Bundled servers in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from halospec.server_process import bundled_server
from tiny_models import write_tiny_pair


@pytest.fixture(scope="session")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a bundled server that serves the tiny pair."""
    directory = tmp_path_factory.mktemp("tiny-server")
    target, draft = write_tiny_pair(directory)
    options = ["--target", str(target), "--draft", str(draft), "--ctx-size", "512", "--threads", "1"]
    with bundled_server(options, directory / "server.log") as url:
        yield url
