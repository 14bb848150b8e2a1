from __future__ import annotations

import stat
from pathlib import Path

import pytest

from halospec.aliases.errors import AliasError
from halospec.aliases.state import (
    Definition,
    LemonadeState,
    RegisteredAlias,
    RouterState,
    read_state,
    remove_state,
    state_path,
    write_state,
)

URL = "http://127.0.0.1:8080/v1"
ROUTER = RouterState(base_url=URL, model="smol", names=("smol-k0",), preset=Path("/srv/models.ini"))
LEMONADE = LemonadeState(
    base_url=URL,
    model="smol",
    aliases=(
        RegisteredAlias(
            name="user.smol-k0",
            definition=Definition(recipe="llamacpp", checkpoints={"main": "a/b:c"}, source="huggingface"),
        ),
    ),
    limit_before=1,
    limit_set=3,
)


@pytest.mark.parametrize("state", [ROUTER, LEMONADE])
def test_what_is_written_is_read_again(tmp_path: Path, state: RouterState | LemonadeState) -> None:
    path = tmp_path / "deep" / "down" / "state.json"
    write_state(path, state)
    assert read_state(path) == state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    remove_state(path)
    remove_state(path)
    assert read_state(path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"kind": "llama_server"}', b'{"kind": "other"}'])
def test_a_file_that_says_something_else_is_not_guessed_at(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(AliasError, match="does not say which aliases"):
        read_state(path)


def test_a_state_is_found_again_by_any_spelling_of_the_same_place(tmp_path: Path) -> None:
    path = state_path(tmp_path, "http://127.0.0.1:8080/v1", "smol")
    assert path == tmp_path / "localhost_8080-smol.json"
    for url in ("http://localhost:8080", "http://[::1]:8080/v1", "http://127.0.0.1:8080/api/v1/"):
        assert state_path(tmp_path, url, "smol") == path


def test_a_state_is_found_again_by_either_name_that_lemonade_has_for_a_model(tmp_path: Path) -> None:
    url = "http://127.0.0.1:13305/api/v1"
    assert state_path(tmp_path, url, "user.smol") == state_path(tmp_path, url, "smol")


def test_other_servers_and_models_have_other_files(tmp_path: Path) -> None:
    places = [
        ("http://127.0.0.1:8080/v1", "smol"),
        ("http://127.0.0.1:8080/v1", "Smol"),
        ("http://127.0.0.1:8080/v1", "a/b"),
        ("http://127.0.0.1:8080/v1", "a-b"),
        ("http://127.0.0.1:8080/team/v1", "smol"),
        ("http://127.0.0.1/v1", "smol"),
        ("https://127.0.0.1/v1", "smol"),
        ("http://gpu-box:8080/v1", "smol"),
        ("http://127.0.0.1:8080/v1", "../../etc/passwd"),
    ]
    paths = {state_path(tmp_path, url, model) for url, model in places}
    assert len(paths) == len(places)
    assert {path.parent for path in paths} == {tmp_path}
