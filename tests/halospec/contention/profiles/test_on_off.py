from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.profiles import on_off
from halospec.contention.profiles.on_off import RandomOnOff

COURSE = RandomOnOff(on_s=3.0, off_s=6.0, seed=7)
FIRST_SWITCHES_S = [1.173945, 2.155055, 5.312542, 5.763705]


def levels(course: RandomOnOff, until_s: float, step_s: float = 0.05) -> list[float]:
    return [course.level(at_s) for at_s in np.arange(0.0, until_s, step_s).tolist()]


def lengths_s(course: RandomOnOff, until_s: float, step_s: float) -> tuple[list[float], list[float]]:
    """The stretches on and off, without the one that is cut off at the end."""
    seen = np.array(levels(course, until_s, step_s))
    changes = np.flatnonzero(np.diff(seen)) + 1
    stretches = np.diff(np.concatenate([[0], changes])) * step_s
    return stretches[::2].tolist(), stretches[1::2].tolist()


def test_it_begins_with_the_load_on_and_knows_nothing_between_all_and_nothing() -> None:
    assert COURSE.level(0.0) == 1.0
    assert set(levels(COURSE, 300.0)) == {0.0, 1.0}


def test_the_same_seed_gives_the_same_course_and_another_seed_another() -> None:
    assert levels(COURSE, 300.0) == levels(RandomOnOff(3.0, 6.0, 7), 300.0)
    assert levels(COURSE, 300.0) != levels(RandomOnOff(3.0, 6.0, 8), 300.0)


def test_a_course_is_the_same_on_every_machine_and_in_every_version() -> None:
    # Chosen once; plans that carry a seed rely on it.
    assert [round(at_s, 6) for at_s in on_off._switches_s(COURSE, 4)] == FIRST_SWITCHES_S


@given(st.lists(st.floats(min_value=0, max_value=5000), min_size=2, max_size=20))
def test_what_was_asked_before_makes_no_difference(times_s: list[float]) -> None:
    forwards = {at_s: COURSE.level(at_s) for at_s in sorted(times_s)}
    on_off._switches_s.cache_clear()
    backwards = {at_s: COURSE.level(at_s) for at_s in sorted(times_s, reverse=True)}
    assert forwards == backwards


def test_times_on_and_off_are_exponential_with_the_means_asked_for() -> None:
    on_s, off_s = lengths_s(COURSE, until_s=20_000.0, step_s=0.05)
    for lengths, mean_s in ((on_s, 3.0), (off_s, 6.0)):
        assert len(lengths) > 1500
        assert np.mean(lengths) == pytest.approx(mean_s, rel=0.1)
        assert np.std(lengths) == pytest.approx(mean_s, rel=0.1)


@pytest.mark.parametrize(
    ("on_s", "off_s", "seed", "sentence"),
    [
        (0.05, 1.0, 1, "The mean time on must be at least 0.1 s, not 0.05 s."),
        (1.0, float("nan"), 1, "The mean time off must be at least 0.1 s, not nan s."),
        (1.0, 1.0, -1, "A seed must lie between 0 and 2^63 - 1, not at -1."),
    ],
)
def test_an_impossible_course_is_refused_in_a_sentence(on_s: float, off_s: float, seed: int, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        RandomOnOff(on_s, off_s, seed)
    assert str(refusal.value) == sentence
