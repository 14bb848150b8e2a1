import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.naming import folded, listed, named


@pytest.mark.parametrize(
    ("modes", "sentence"),
    [
        (["fixed_0"], "fixed_0"),
        (["fixed_0", "adaptive"], "fixed_0 and adaptive"),
        (["fixed_1", "fixed_2", "fixed_3"], "fixed_1, fixed_2 and fixed_3"),
        (["fixed_1", "fixed_2", "fixed_3", "fixed_4"], "fixed_1 to fixed_4"),
        (
            ["fixed_1", "fixed_2", "fixed_3", "fixed_4", "fixed_6", "adaptive"],
            "fixed_1 to fixed_4, fixed_6 and adaptive",
        ),
        (["fixed_4", "fixed_3", "fixed_2", "fixed_1"], "fixed_4, fixed_3, fixed_2 and fixed_1"),
    ],
)
def test_modes_are_listed_and_only_those_between_are_left_out(modes, sentence):
    assert listed(modes) == sentence


def test_a_name_from_a_file_holds_no_control_characters():
    assert named("a\x1b[31m") == "a\N{REPLACEMENT CHARACTER}[31m"


def test_long_names_are_folded_so_that_every_setting_is_seen():
    assert folded("fixed_4", 14) == "fixed_4"
    assert folded("fixed_4@threads=1", 14) == "fixed_4\n@threads=1"
    assert folded("auto:cost_model@joint=true@max_length=8", 14).split("\n") == [
        "auto:cost_", "model", "@joint=true", "@max_length=8",
    ]  # fmt: skip
    assert folded("a" * 20, 14) == "a" * 14 + "\n" + "a" * 6


@given(st.text(max_size=80), st.integers(min_value=4, max_value=20))
def test_folding_loses_nothing_and_keeps_to_the_width(name, width):
    lines = folded(name, width).split("\n")
    assert "".join(lines) == named(name)
    assert max(map(len, lines)) <= width
