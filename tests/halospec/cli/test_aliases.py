"""``halospec aliases`` where no server is needed."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from halospec.aliases.preset_file import add_block
from halospec.aliases.state import RouterState, default_state_dir, state_path, write_state
from halospec.cli import app
from halospec.cli.aliases import parse_lengths

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, ["aliases", *(str(a) for a in arguments)])


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "models.ini"
    path.write_text("[smol]\nmodel = smol.gguf\n")
    return path


@pytest.fixture
def aliases_of_a_router_that_is_gone(preset, tmp_path, monkeypatch):
    """Leave behind what `create` leaves behind."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    state = RouterState(base_url=NOBODY, model="smol", names=("smol-k0",), preset=preset)
    path = state_path(default_state_dir(), NOBODY, "smol")
    write_state(path, state)
    add_block(preset, "smol", "[smol-k0]")
    return path


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("0-8", tuple(range(9))), ("8,0, 4", (0, 4, 8)), ("0-2,2-3,16", (0, 1, 2, 3, 16)), ("5", (5,)), ("7-7", (7,))],
)
def test_lengths_are_a_list_of_numbers_and_ranges(text, lengths):
    assert parse_lengths(text) == lengths


@pytest.mark.parametrize("text", ["", "0-", "-1", "0,,1", "a", "1-2-3", "100", "³", "3-1"])
def test_other_lengths_are_refused(text):
    with pytest.raises(ValueError, match="--lengths"):
        parse_lengths(text)


@pytest.mark.parametrize("url", [NOBODY, f"{NOBODY}/v1/", "http://localhost:9"])
def test_the_preset_file_is_mended_although_the_router_is_gone(invoke, preset, aliases_of_a_router_that_is_gone, url):
    result = invoke("remove", url, "--model", "smol")
    assert result.exit_code == 1
    assert "are out of" in result.stderr
    assert "connection refused" in result.stderr
    assert preset.read_text() == "[smol]\nmodel = smol.gguf\n"
    assert aliases_of_a_router_that_is_gone.exists(), "the router has yet to be told"


def test_a_key_that_cannot_be_sent_is_one_sentence(invoke, aliases_of_a_router_that_is_gone):
    result = invoke("remove", NOBODY, "--model", "smol", "--api-key", "a\tb")
    assert result.exit_code == 1
    assert "cannot be sent in an HTTP header" in result.stderr
    assert "a\tb" not in result.stderr
    assert aliases_of_a_router_that_is_gone.exists()


def test_an_address_that_is_none_is_one_sentence(invoke):
    result = invoke("remove", "127.0.0.1:9", "--model", "smol")
    assert result.exit_code == 1
    assert "http://" in result.stderr


@pytest.mark.parametrize(("command", "says"), [("create", "has been undone"), ("remove", "run the same command again")])
def test_an_interruption_has_its_own_exit_code_and_says_what_then(invoke, monkeypatch, command, says):
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("halospec.cli.aliases.check_server", interrupted)
    result = invoke(command, NOBODY, "--model", "smol")
    assert result.exit_code == 130
    assert result.stderr.startswith("halospec: Interrupted; ")
    assert says in result.stderr
