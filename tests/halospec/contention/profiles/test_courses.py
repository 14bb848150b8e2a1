from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.profiles.bursts import Bursts
from halospec.contention.profiles.profile import WINDOW, Profile
from halospec.contention.profiles.ramp import Ramp
from halospec.contention.profiles.square import Square

TIMES_S = st.floats(min_value=0, max_value=1e5)
PERCENT = st.floats(min_value=0, max_value=100)


def test_a_window_is_all_of_the_load_throughout() -> None:
    assert [WINDOW.level(at_s) for at_s in (0.0, 1.0, 1e6)] == [1.0, 1.0, 1.0]


def test_bursts_begin_with_load_and_come_again() -> None:
    bursts = Bursts(on_s=2.0, off_s=4.0)
    assert [bursts.level(at_s) for at_s in (0.0, 1.9, 2.0, 5.9, 6.0, 7.9, 8.0, 600.0, 602.0)] == [
        *(1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0),
        *(1.0, 0.0),
    ]


def test_a_ramp_leads_in_a_straight_line_to_its_end_and_stays_there() -> None:
    ramp = Ramp(over_s=20.0)
    assert [ramp.level(at_s) for at_s in (0.0, 5.0, 10.0, 20.0, 1000.0)] == [0.0, 0.25, 0.5, 1.0, 1.0]


def test_a_ramp_may_lead_downwards() -> None:
    ramp = Ramp(over_s=10.0, from_percent=80.0, to_percent=20.0)
    assert [ramp.level(at_s) for at_s in (0.0, 5.0, 10.0, 11.0)] == [0.8, 0.5, 0.2, 0.2]


@given(over_s=st.floats(0.001, 1e4), first=PERCENT, last=PERCENT, at_s=TIMES_S)
def test_a_ramp_never_leaves_the_space_between_its_ends(over_s: float, first: float, last: float, at_s: float) -> None:
    if first or last:
        level = Ramp(over_s, first, last).level(at_s)
        assert min(first, last) / 100 - 1e-12 <= level <= max(first, last) / 100


def test_a_square_wave_is_high_for_its_duty_and_low_for_the_rest() -> None:
    square = Square(period_s=10.0, high_percent=100.0, low_percent=20.0, duty_percent=30.0)
    assert [square.level(at_s) for at_s in (0.0, 2.9, 3.0, 9.9, 10.0, 13.0)] == [1.0, 1.0, 0.2, 0.2, 1.0, 0.2]


@given(at_s=TIMES_S)
def test_a_square_wave_between_all_and_nothing_with_half_duty_is_bursts(at_s: float) -> None:
    assert Square(period_s=4.0).level(at_s) == Bursts(on_s=2.0, off_s=2.0).level(at_s)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Bursts(0.01, 1.0), "A burst must be at least 0.1 s, not 0.01 s."),
        (lambda: Bursts(1.0, 0.0), "The pause between bursts must be at least 0.1 s, not 0 s."),
        (lambda: Bursts(float("inf"), 1.0), "A burst must be at least 0.1 s, not inf s."),
        (lambda: Bursts(float("nan"), 1.0), "A burst must be at least 0.1 s, not nan s."),
        (lambda: Ramp(0.0), "A ramp must take more than 0 s, not 0 s."),
        (lambda: Ramp(1.0, from_percent=-1.0), "A ramp's beginning must lie between 0 and 100 % of the load's amount"),
        (lambda: Ramp(1.0, to_percent=100.5), "A ramp's end must lie between 0 and 100 % of the load's amount"),
        (lambda: Ramp(1.0, 0.0, 0.0), "A ramp from 0 % to 0 % asks for nothing"),
        (lambda: Square(-1.0), "A square wave's period must be above 0 s, not -1 s."),
        (lambda: Square(1.0, 20.0, 20.0), "A square wave's low must lie below its high, 20 %, not at 20 %."),
        (lambda: Square(1.0, 120.0), "A square wave's high must lie between 0 and 100 % of the load's amount"),
        (lambda: Square(10.0, duty_percent=100.0), "A square wave's duty must lie between 0 and 100 %, not at 100 %."),
        (lambda: Square(10.0, duty_percent=0.5), "The high part of a square wave must be at least 0.1 s, not 0.05 s."),
        (lambda: Square(10.0, duty_percent=99.5), "The low part of a square wave must be at least 0.1 s"),
    ],
)
def test_an_impossible_course_is_refused_in_a_sentence(make: object, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        make()  # type: ignore[operator]
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("profile", [WINDOW, Bursts(1.0, 1.0), Ramp(1.0), Square(1.0)])
def test_each_keeps_to_the_protocol(profile: Profile) -> None:
    assert isinstance(profile, Profile)
