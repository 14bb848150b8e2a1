"""Checksums reckoned aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from halospec_server.model_files.background_hash import BackgroundHash
from halospec_server.model_files.model_cache import file_sha256, remembered_sha256
from model_files import use_empty_cache
from tiny_engines import Pair


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of any file."""
    use_empty_cache(monkeypatch, tmp_path)


def test_every_file_gets_its_checksum_and_it_is_remembered(tiny_pair: Pair) -> None:
    checksums = BackgroundHash(tiny_pair)
    assert [checksums.of(path) for path in tiny_pair] == [file_sha256(path) for path in tiny_pair]
    assert [remembered_sha256(path) for path in tiny_pair] == [file_sha256(path) for path in tiny_pair]


def test_a_file_that_serves_as_both_models_is_hashed_once(tiny_pair: Pair) -> None:
    assert BackgroundHash([tiny_pair[0], tiny_pair[0]]).of(tiny_pair[0]) == file_sha256(tiny_pair[0])


def test_a_file_that_cannot_be_read_holds_up_no_other(tiny_pair: Pair, tmp_path: Path) -> None:
    missing = tmp_path / "missing.gguf"
    checksums = BackgroundHash([missing, tiny_pair[0]])
    with pytest.raises(FileNotFoundError):
        checksums.of(missing)
    assert checksums.of(tiny_pair[0]) == file_sha256(tiny_pair[0])
