"""Files of the hub: the real client of the Hugging Face hub talks to a stand-in on the loopback."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from halospec_server.model_files import hub
from halospec_server.model_files.hub import HubSource, cached_path, fetch, look_up, parse_source
from halospec_server.model_files.model_cache import ModelFileError, file_sha256
from hub_stand_in import COMMIT, LICENCE, REPO, HubStandIn, serving_hub
from model_files import use_empty_cache
from tiny_engines import Pair

TARGET = HubSource(REPO, "target.gguf")


@pytest.fixture
def stand_in(tiny_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A hub with the tiny pair, a client that takes it for the real one, and empty caches."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    use_empty_cache(monkeypatch, tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with serving_hub({"target.gguf": tiny_pair[0], "README.md": Path(__file__)}) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = f"{served.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield served


def sentence_of(source: HubSource) -> str:
    """Return what is said when a file cannot be had."""
    with pytest.raises(ModelFileError) as refusal:
        fetch(source, look_up(source))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_the_hub_says_what_a_file_is_before_it_is_fetched(stand_in: HubStandIn, tiny_pair: Pair) -> None:
    file = look_up(TARGET)
    assert (file.repo, file.filename, file.commit) == (REPO, "target.gguf", COMMIT)
    assert file.sha256 == file_sha256(tiny_pair[0])
    assert file.size_bytes == tiny_pair[0].stat().st_size
    assert (file.licence, file.gated) == (LICENCE, False)
    assert cached_path(file) is None
    assert stand_in.downloads == []


def test_a_file_is_fetched_once_and_then_needs_no_hub(stand_in: HubStandIn, tiny_pair: Pair) -> None:
    path = fetch(TARGET, look_up(TARGET))
    assert path.read_bytes() == tiny_pair[0].read_bytes()
    asked = len(stand_in.requests)
    assert fetch(TARGET, look_up(TARGET)) == path
    assert len(stand_in.requests) == asked
    assert stand_in.downloads == ["target.gguf"]


def test_a_file_that_another_program_fetched_is_verified_and_used(stand_in: HubStandIn) -> None:
    huggingface_hub.hf_hub_download(REPO, "target.gguf")
    file = look_up(TARGET)
    path = cached_path(file)
    assert path is not None
    assert fetch(TARGET, file) == path
    assert stand_in.downloads == ["target.gguf"]


def test_a_revision_is_pinned(stand_in: HubStandIn) -> None:
    pinned = HubSource(REPO, "target.gguf", COMMIT)
    assert look_up(pinned).commit == COMMIT
    assert f"GET /api/models/{REPO}/revision/{COMMIT}" in stand_in.requests
    assert sentence_of(HubSource(REPO, "target.gguf", "v9")) == f"{REPO} has no revision v9."


def test_bytes_that_are_not_what_the_hub_reports_are_removed(stand_in: HubStandIn, tiny_pair: Pair) -> None:
    stand_in.corrupt = True
    assert "it was removed. Start again to fetch it anew." in sentence_of(TARGET)
    stand_in.corrupt = False
    assert fetch(TARGET, look_up(TARGET)).read_bytes() == tiny_pair[0].read_bytes()
    assert len(stand_in.downloads) == 2


def test_a_file_that_was_changed_in_the_cache_is_not_used(stand_in: HubStandIn, tiny_pair: Pair) -> None:
    path = fetch(TARGET, look_up(TARGET))
    path.resolve().write_bytes(b"GGUF of another kind")
    assert "it was removed" in sentence_of(TARGET)
    assert fetch(TARGET, look_up(TARGET)).read_bytes() == tiny_pair[0].read_bytes()


def test_a_gated_repository_wants_its_licence_accepted(
    stand_in: HubStandIn, monkeypatch: pytest.MonkeyPatch, tiny_pair: Pair
) -> None:
    stand_in.gated, stand_in.token = True, "hf_accepted"
    assert look_up(TARGET).gated
    sentence = sentence_of(TARGET)
    assert sentence.startswith(f"{REPO} is gated: accept its licence at {stand_in.url}/{REPO}")
    assert "HF_TOKEN" in sentence
    monkeypatch.setenv("HF_TOKEN", "hf_accepted")
    assert fetch(TARGET, look_up(TARGET)).stat().st_size == tiny_pair[0].stat().st_size


def test_a_repository_that_does_not_exist_is_named(stand_in: HubStandIn) -> None:
    sentence = sentence_of(HubSource("nobody/nothing", "target.gguf"))
    assert sentence.startswith(f"{stand_in.url} has no public repository nobody/nothing")


def test_a_missing_file_brings_the_names_of_those_that_are_there(stand_in: HubStandIn) -> None:
    assert sentence_of(HubSource(REPO, "nope.gguf")) == f"{REPO} has no file nope.gguf; its GGUF files: target.gguf."


def test_without_a_checksum_nothing_is_fetched(stand_in: HubStandIn) -> None:
    stand_in.without_checksums = True
    assert "reports no SHA-256" in sentence_of(TARGET)
    assert stand_in.downloads == []


@pytest.mark.parametrize(("status", "hint"), [(500, "try again later"), (401, "set HF_TOKEN to a valid token")])
def test_another_refusal_is_quoted(stand_in: HubStandIn, status: int, hint: str) -> None:
    stand_in.refusal = (status, "Whatever")
    assert sentence_of(TARGET).endswith(f"answered {status} for hf:{REPO}/target.gguf; {hint}.")


def test_a_hub_that_cannot_be_reached_is_one_sentence(stand_in: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    sentence = sentence_of(TARGET)
    assert "could not be fetched from http://127.0.0.1:9 (" in sentence
    assert "--target" in sentence


def test_a_download_that_breaks_off_leaves_nothing_behind(
    stand_in: HubStandIn, tmp_path: Path, tiny_pair: Pair
) -> None:
    stand_in.broken_off = True
    assert "Check the connection and start again" in sentence_of(TARGET)
    size = tiny_pair[0].stat().st_size
    assert all(path.stat().st_size < size // 2 for path in (tmp_path / "hub").rglob("*") if path.is_file())
    stand_in.broken_off = False
    assert fetch(TARGET, look_up(TARGET)).stat().st_size == size


def test_offline_mode_uses_what_is_there_and_says_what_is_not(
    stand_in: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids fetching it" in sentence_of(TARGET)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = fetch(TARGET, look_up(TARGET))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(TARGET, look_up(TARGET)) == path


def test_a_disk_without_room_is_noticed_before_the_download(
    stand_in: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(Path.cwd())._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert "0 MB free" in sentence_of(TARGET)
    assert stand_in.downloads == []


def test_a_disk_that_fills_up_is_one_sentence(stand_in: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(*_arguments: Any, **_options: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fill_up)
    assert sentence_of(TARGET).startswith("The disk filled up while")


def test_a_damaged_record_is_made_again(stand_in: HubStandIn, tmp_path: Path) -> None:
    path = fetch(TARGET, look_up(TARGET))
    (record,) = (tmp_path / "cache").rglob("*.json")
    record.write_text("{")
    assert fetch(TARGET, look_up(TARGET)) == path
    assert stand_in.downloads == ["target.gguf"]


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelFileError, match=r"pip install 'halospec\[hub\]'"):
        hub.look_up(TARGET)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hf:owner/repo/file.gguf", HubSource("owner/repo", "file.gguf")),
        ("hf:owner/repo/folder/file.gguf", HubSource("owner/repo", "folder/file.gguf")),
        ("hf:owner/repo@v1.0/file.gguf", HubSource("owner/repo", "file.gguf", "v1.0")),
    ],
)
def test_a_file_on_the_hub_is_written_like_this(text: str, source: HubSource) -> None:
    assert parse_source(text) == source
    assert str(source) == text


@pytest.mark.parametrize("text", ["hf:", "hf:repo/file.gguf", "hf:owner/repo/file.safetensors", "hf:a/b@/c.gguf"])
def test_what_is_not_written_like_that_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError, match="write hf:OWNER/REPO/FILE"):
        parse_source(text)


def test_a_model_in_several_parts_is_refused() -> None:
    with pytest.raises(ModelFileError, match="one part of a model in several"):
        parse_source("hf:owner/repo/big-00001-of-00002.gguf")
