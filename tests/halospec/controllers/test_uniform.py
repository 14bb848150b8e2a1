"""Every draft length as often as any other, and the same ones again for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from halospec.controllers.per_round import RoundRule, Threads
from halospec.controllers.rules import RULES
from halospec.controllers.uniform import UniformSettings
from steps_by_hand import round_of


def uniform(**settings: int) -> RoundRule:
    make = RULES["uniform"].in_server
    assert make is not None
    return make(UniformSettings(**settings), Threads())


def drawn(rule: RoundRule, count: int) -> list[int]:
    text = rule.for_text()
    return [text.choose().draft_length for _ in range(count)]


def test_every_length_from_zero_to_eight_is_drawn_about_equally_often():
    often = Counter(drawn(uniform(), 9000))
    assert set(often) == set(range(9))
    # Standard deviation sqrt(9000 · 1/9 · 8/9) = 30
    assert all(abs(count - 1000) < 150 for count in often.values())


def test_what_comes_of_a_draft_changes_nothing():
    told, untold = uniform().for_text(), uniform().for_text()
    for _ in range(50):
        chosen = told.choose()
        assert chosen == untold.choose()
        told.update(round_of(0, chosen.draft_length))


def test_a_seed_decides_all():
    assert drawn(uniform(seed=7), 40) == drawn(uniform(seed=7), 40)
    assert drawn(uniform(seed=7), 40) != drawn(uniform(seed=8), 40)


def test_texts_do_not_all_begin_with_the_same_lengths():
    rule = uniform()
    assert len({tuple(drawn(rule, 6)) for _ in range(10)}) == 10


def test_bounds_are_settings():
    assert set(drawn(uniform(min_length=2, max_length=4), 100)) == {2, 3, 4}
    with pytest.raises(ValueError, match="min_length 5 is more than max_length 4"):
        UniformSettings(min_length=5, max_length=4)


def test_threads_are_left_as_they_are_and_nothing_ends_a_draft():
    text = uniform().for_text()
    assert (text.choose().threads, text.choose().draft_threads, text.stop) == (None, None, None)
