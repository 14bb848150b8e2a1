"""What the options of ``halospec serve`` mean, and what is refused by name."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from halospec_server.__main__ import command_line
from halospec_server.options import read_draft_length, read_names, read_shares


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("16", 16), ("auto", "auto")])
def test_a_draft_length_is_a_number_or_left_to_the_server(text: str, length: object) -> None:
    assert read_draft_length(text) == length


@pytest.mark.parametrize("text", ["17", "-1", "4.0", "", "Auto", "²"])
def test_another_draft_length_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither a number from 0 to 16 nor auto"):
        read_draft_length(text)


def test_names_are_separated_by_commas() -> None:
    assert read_names("CUDA0, CUDA1") == ("CUDA0", "CUDA1")
    assert read_names("") == ()


def test_shares_are_numbers_separated_by_commas() -> None:
    assert read_shares("3,1") == (3.0, 1.0)
    assert read_shares("0,0.5") == (0.0, 0.5)
    assert read_shares("") == ()


@pytest.mark.parametrize("text", ["0,0", "1,-1", "1,x", "nan", "inf,1", "1e400"])
def test_other_shares_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_shares(text)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--draft-length", "many"),
        ("--length-policy", "guess"),
        ("--drafter", "crystal_ball"),
        ("--p-min", "1.5"),
        ("--ctx-size", "31"),
        ("--parallel", "0"),
        ("--threads", "0"),
        ("--attention", "maybe"),
        ("--placement", "anywhere"),
        ("--gpu-layers", "-2"),
        ("--tensor-split", "1,x"),
        ("--draft-tensor-split", "-1,2"),
        ("--max-prompt-tokens", "0"),
        ("--deadline", "0"),
        ("--shutdown-grace", "-1"),
        ("--log-level", "loud"),
        ("--log-format", "xml"),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: str) -> None:
    result = CliRunner().invoke(command_line, [option, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output
