import pytest

from halospec.analysis.naming import listed, named


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
