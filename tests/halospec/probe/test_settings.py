import pytest
from pydantic import ValidationError

from halospec.probe.settings import ProbeSettings


def test_lengths_are_sorted_and_each_counts_once():
    assert ProbeSettings(lengths=(8, 0, 8, 1)).lengths == (0, 1, 8)


@pytest.mark.parametrize(
    "fields", [{"lengths": (4,)}, {"lengths": (4, 4)}, {"lengths": (-1, 4)}, {"blocks": 1}, {"max_tokens": 4}]
)
def test_settings_with_which_nothing_could_be_told_are_refused(fields):
    with pytest.raises(ValidationError):
        ProbeSettings(**fields)
