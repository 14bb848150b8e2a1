"""A file is hashed once; while its size and time of modification stay, its checksum is remembered."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from halospec_server.model_files.model_cache import (
    ModelFileError,
    file_sha256,
    model_directory,
    recorded_sha256,
    remember_sha256,
    remembered_sha256,
    require_room,
    sha256_of,
)
from model_files import use_empty_cache

pytestmark = pytest.mark.usefixtures("cache")

BEFORE, AFTER = b"a model", b"A MODEL"


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of any file."""
    use_empty_cache(monkeypatch, tmp_path)


@pytest.fixture(params=["ours", "elsewhere"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file among our own, or of the user's."""
    directory = model_directory() if request.param == "ours" else tmp_path / "elsewhere"
    directory.mkdir(parents=True)
    file = directory / "model.gguf"
    file.write_bytes(BEFORE)
    return file


def test_nothing_is_known_of_a_new_file(path: Path) -> None:
    assert remembered_sha256(path) is None
    assert recorded_sha256(path) is None


def test_a_checksum_is_remembered_while_the_file_looks_the_same(path: Path) -> None:
    assert sha256_of(path) == file_sha256(path) == checksum(BEFORE)
    written_ns = path.stat().st_mtime_ns
    path.write_bytes(AFTER)
    os.utime(path, ns=(written_ns, written_ns))
    assert sha256_of(path) == checksum(BEFORE)


@pytest.mark.parametrize("content", [AFTER, BEFORE + b"!", b""])
def test_a_file_that_was_written_since_is_hashed_again(path: Path, content: bytes) -> None:
    sha256_of(path)
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert remembered_sha256(path) is None
    assert recorded_sha256(path) == checksum(BEFORE)
    assert sha256_of(path) == checksum(content)


def test_only_our_own_directory_is_written_to(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "model.gguf").write_bytes(BEFORE)
    sha256_of(theirs / "model.gguf")
    assert [file.name for file in theirs.iterdir()] == ["model.gguf"]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, content in (("one", BEFORE), ("two", AFTER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.gguf").write_bytes(content)
    assert sha256_of(tmp_path / "one" / "model.gguf") == checksum(BEFORE)
    assert sha256_of(tmp_path / "two" / "model.gguf") == checksum(AFTER)
    assert sha256_of(tmp_path / "one" / "model.gguf") == checksum(BEFORE)


def test_a_checksum_can_be_there_before_the_file(path: Path) -> None:
    place = path.with_name("place.gguf")
    remember_sha256(path, checksum(BEFORE), at=place)
    path.replace(place)
    assert remembered_sha256(place) == checksum(BEFORE)


@pytest.mark.parametrize("record", ["", "no checksum", "0" * 63, f"{'0' * 64} many bytes", f"{'0' * 64} 1"])
def test_a_damaged_record_counts_as_none(record: str) -> None:
    model_directory().mkdir(parents=True)
    file = model_directory() / "model.gguf"
    file.write_bytes(BEFORE)
    sha256_of(file)
    (model_directory() / "model.gguf.sha256").write_text(record)
    assert recorded_sha256(file) is None
    assert sha256_of(file) == checksum(BEFORE)


def test_a_record_of_an_earlier_version_is_no_memory_but_a_record() -> None:
    model_directory().mkdir(parents=True)
    file = model_directory() / "model.gguf"
    file.write_bytes(BEFORE)
    (model_directory() / "model.gguf.sha256").write_text(f"{checksum(BEFORE)}\n")
    assert recorded_sha256(file) == checksum(BEFORE)
    assert remembered_sha256(file) is None


def test_without_a_place_to_remember_it_is_hashed_every_time(tmp_path: Path) -> None:
    model_directory().parent.parent.mkdir()
    model_directory().parent.write_text("a file where a folder should be")
    file = tmp_path / "model.gguf"
    file.write_bytes(BEFORE)
    assert sha256_of(file) == checksum(BEFORE)
    assert remembered_sha256(file) is None


def test_room_is_looked_for_where_the_directory_will_be(tmp_path: Path) -> None:
    require_room(tmp_path / "not" / "yet", 1)
    with pytest.raises(ModelFileError, match="make room"):
        require_room(tmp_path / "not" / "yet", 10**18)
