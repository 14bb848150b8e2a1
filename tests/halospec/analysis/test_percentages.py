import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.analysis.comparisons import Difference
from halospec.analysis.percentages import decimals_of, rounded, signed, smallest_detectable, spoken


def difference(percent, low=None, high=None, detectable=None, *, found=True):
    return Difference(
        percent=percent,
        low_percent=low,
        high_percent=high,
        smallest_detectable_percent=detectable,
        blocks=5,
        method=None,
        found=found,
    )


@pytest.mark.parametrize(
    ("percent", "low", "high", "expected"),
    [
        (-18.2, -21.7, -14.4, ("18", "[14, 22]")),
        (30.4, 20.2, 41.3, ("30", "[20, 41]")),
        (-3.21, -3.58, -2.83, ("3.2", "[2.8, 3.6]")),
        (1.234, 1.21, 1.26, ("1.23", "[1.21, 1.26]")),
        (-5.0, -9.6, -0.3, ("5", "[0.3, 10]")),
        (0.4, 0.02, 0.8, ("0.4", "[0.02, 0.8]")),
        (2500.0, 900.0, 9000.0, (">999", "[900, >999]")),
    ],
)
def test_a_found_difference_has_as_many_digits_as_its_interval_supports(percent, low, high, expected):
    assert spoken(difference(percent, low, high)) == expected


@pytest.mark.parametrize(
    ("percent", "low", "high", "expected"),
    [
        (1.4, -2.2, 5.3, ("+1", "[-2, +5]")),
        (-0.3, -4.0, 3.5, ("-0.3", "[-4, +4]")),
        (0.0, 0.0, 6.0, ("0", "[0, +6]")),
        (0.0, 0.0, 0.0, ("0", "[0, 0]")),
        (8.9, None, None, ("+9", None)),
    ],
)
def test_signs_are_shown_where_both_are_possible(percent, low, high, expected):
    assert signed(difference(percent, low, high)) == expected


@pytest.mark.parametrize(("percent", "expected"), [(4.4, "4 %"), (0.44, "0.4 %"), (None, None), (4000.0, ">999 %")])
def test_the_smallest_detectable_difference_is_a_whole_number_unless_it_is_below_one(percent, expected):
    assert smallest_detectable(difference(1.0, 0.5, 1.5, percent)) == expected


@given(percent=st.floats(-99.9, 999), half_width=st.floats(1e-6, 500))
def test_what_is_not_zero_is_never_shown_as_zero_and_is_near_what_is_shown(percent, half_width):
    decimals = decimals_of(half_width)
    shown = float(rounded(percent, decimals))
    assert (shown == 0) == (percent == 0)
    assert abs(shown - percent) <= 0.5 * 10**-decimals * (1 + 1e-9)
    assert "e" not in rounded(percent, decimals) or abs(percent) < 1e-300


@given(bounds=st.tuples(st.floats(1e-3, 90), st.floats(1e-3, 90), st.floats(0, 1)), sign=st.sampled_from([-1, 1]))
def test_a_found_difference_lies_within_its_interval_as_printed_too(bounds, sign):
    near, far = sorted(bounds[:2])
    percent = sign * (near + bounds[2] * (far - near))
    low, high = sorted((sign * near, sign * far))
    value, interval = spoken(difference(percent, low, high))
    shown_low, shown_high = (float(end) for end in interval.strip("[]").split(", "))
    assert 0 < shown_low <= float(value) <= shown_high


def test_a_difference_without_an_interval_is_not_spoken_of():
    with pytest.raises(ValueError, match="was not found"):
        spoken(difference(-18.0))
