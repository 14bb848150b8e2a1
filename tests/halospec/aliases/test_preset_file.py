"""The preset file belongs to the user: only what stands between our markers may ever change."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.aliases.errors import AliasError
from halospec.aliases.options import Option
from halospec.aliases.preset_file import (
    add_block,
    names_in_block,
    remove_block,
    section_names,
    sections_text,
    with_block,
    without_block,
)

TEXT = "[smol-k0]\nspec-type = none\n\n[smol-k1]\nspec-draft-n-max = 1"
BEGIN, END = b"; halospec aliases of smol: begin", b"; halospec aliases of smol: end"

line_breaks = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b""])
lines = st.sampled_from([b"[smol]", b"model = /a b/c.gguf ; why", b"; a comment", b"c=1", b" ", b"\xff\xfe", b"[*]"])
ini_like = st.lists(st.tuples(lines, line_breaks)).map(lambda parts: b"".join(part for pair in parts for part in pair))
contents = (ini_like | st.binary()).filter(lambda content: b"halospec aliases" not in content)


@given(contents)
def test_adding_a_block_and_removing_it_changes_nothing(content: bytes) -> None:
    assert without_block(with_block(content, "smol", TEXT), "smol") == content


@given(contents)
def test_all_that_was_there_still_stands_before_the_block(content: bytes) -> None:
    assert with_block(content, "smol", TEXT).startswith(content)


@given(contents, contents, contents)
def test_what_somebody_writes_around_the_block_survives_its_removal(before: bytes, inside: bytes, after: bytes) -> None:
    edited = before + with_block(inside, "smol", TEXT) + after
    rest = without_block(edited, "smol")
    assert rest in (before + inside + after, before + inside + b"\n" + after)
    if after and not rest.startswith(before + inside + b"\n"):
        assert (before + inside).endswith(b"\n") or not before + inside, "no two lines were joined"


@given(contents)
def test_the_aliases_of_two_models_come_and_go_without_each_other(content: bytes) -> None:
    both = with_block(with_block(content, "smol", TEXT), "other", "[other-k0]")
    assert without_block(without_block(both, "smol"), "other").rstrip(b"\n") == content.rstrip(b"\n")
    assert names_in_block(without_block(both, "smol"), "other") == {"other-k0"}


@given(contents)
def test_without_a_block_there_is_nothing_to_remove(content: bytes) -> None:
    assert without_block(content, "smol") == content
    assert names_in_block(content, "smol") is None


def test_a_block_is_found_whatever_an_editor_did_to_its_line_breaks() -> None:
    content = with_block(b"[smol]\nc = 1\n", "smol", TEXT).replace(b"\n", b"\r\n")
    assert names_in_block(content, "smol") == {"smol-k0", "smol-k1"}
    assert b"k0" not in without_block(content, "smol")


@pytest.mark.parametrize("content", [BEGIN + b"\n[smol-k0]\n", b"[smol-k0]\n" + END, END + b"\n" + BEGIN + b"\n"])
def test_a_block_that_is_not_whole_is_left_to_its_owner(content: bytes) -> None:
    with pytest.raises(AliasError, match="by hand"):
        without_block(content, "smol")


def test_sections_are_found_as_the_router_finds_them() -> None:
    content = b'c = 1\n[a b]\r\n; [no]\n[x:Q4] ; why\r[y]\nmodel = "[no]"\n [z]'
    assert section_names(content) == {"a b", "x:Q4", "y", "z"}


def test_a_value_is_written_as_it_is_since_there_are_no_quotes_and_no_escapes() -> None:
    options = (Option("model", (r'C:\with space\"it".gguf',)), Option("--mlock"), Option("--no-jinja", ("1",)))
    assert sections_text({"x": options}) == '[x]\nmodel = C:\\with space\\"it".gguf\nmlock = true\nno-jinja = 1'


@pytest.mark.parametrize("value", ["a#b", "a;b", "a\nb", " a", "a\t"])
def test_a_value_that_the_format_cannot_hold_is_left_out(value: str) -> None:
    assert sections_text({"x": (Option("model", (value,)), Option("ctx-size", ("1",)))}) == "[x]\nctx-size = 1"


def test_an_option_with_two_values_is_refused() -> None:
    with pytest.raises(AliasError, match="several values"):
        sections_text({"x": (Option("--lora-scaled", ("a.gguf", "0.5")),)})


def test_the_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "real.ini", tmp_path / "link.ini"
    target.write_bytes(b"[smol]\nc = 1")
    target.chmod(0o640)
    link.symlink_to(target.name)
    add_block(link, "smol", TEXT)
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"[smol]\nc = 1\n; halospec")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert remove_block(link, "smol") is True
    assert link.is_symlink()
    assert target.read_bytes() == b"[smol]\nc = 1"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(tmp_path.iterdir()) == [link, target], "no temporary file is left"


def test_a_file_without_a_block_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "models.ini"
    path.write_bytes(b"[smol]\n")
    before = path.stat()
    assert remove_block(path, "smol") is False
    assert remove_block(tmp_path / "gone.ini", "smol") is False
    assert path.stat().st_ino == before.st_ino


def test_a_file_that_may_not_be_written_is_not_replaced_either(tmp_path: Path) -> None:
    path = tmp_path / "models.ini"
    path.write_bytes(b"[smol]\n")
    path.chmod(0o444)
    with pytest.raises(AliasError, match=r"Cannot write .*models\.ini: it is read-only\."):
        add_block(path, "smol", TEXT)
    assert path.read_bytes() == b"[smol]\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "models.ini"
    path.write_bytes(b"[smol]\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AliasError, match=r"Cannot write .*models\.ini: No space left on device\."):
        add_block(path, "smol", TEXT)
    assert path.read_bytes() == b"[smol]\n"
    assert list(tmp_path.iterdir()) == [path]
