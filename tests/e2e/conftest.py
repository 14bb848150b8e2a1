"""Bundled servers in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from halospec.server_process import bundled_server
from tiny_models import write_tiny_pair


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the files of the tiny pair: target, draft."""
    return write_tiny_pair(tmp_path_factory.mktemp("tiny-pair"))


@pytest.fixture(scope="session")
def tiny_server(tiny_pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a bundled server that serves the tiny pair."""
    directory = tmp_path_factory.mktemp("tiny-server")
    target, draft = tiny_pair
    options = ["--target", str(target), "--draft", str(draft), "--ctx-size", "512", "--threads", "1"]
    with bundled_server(options, directory / "server.log") as url:
        yield url
