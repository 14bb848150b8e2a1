"""What is recommended, and how often that is wrong where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from halospec.inference.best import best_set
from halospec.inference.comparisons import compare_to
from halospec.inference.proportions import wilson
from halospec.inference.types import LogRatio, Method, Sums
from halospec.tuning.halving import Standing, round_sizes, survivors
from halospec.tuning.verdict import Finalist, Finding, conclude


def against_plain(percent: float, half_width: float) -> LogRatio:
    value = math.log1p(percent / 100)
    width = half_width / 100
    return LogRatio(value, value - width, value + width, width / 2, width * 1.4, 12, Method.T_ON_BLOCKS)


def plain(attained=None) -> Finalist:
    return Finalist(0, None, attained)


def finalist(k: int, percent: float, half_width: float, attained=None) -> Finalist:
    return Finalist(k, against_plain(percent, half_width), attained)


def verdict(finalists, *candidates, wanted=0.95):
    return conclude(finalists, lambda lengths: [k for k in candidates if k in lengths] or None, wanted)


def test_a_clear_winner_is_recommended():
    found = verdict([plain(), finalist(2, -10, 3), finalist(4, -25, 3)], 4)
    assert (found.finding, found.recommended, found.fastest, found.may_be_best) == (Finding.FASTER, 4, 4, (4,))


def test_of_those_that_cannot_be_told_apart_the_smaller_is_recommended():
    found = verdict([plain(), finalist(2, -20, 3), finalist(4, -22, 3)], 2, 4)
    assert (found.finding, found.recommended, found.fastest) == (Finding.FASTER, 2, 4)


def test_a_smaller_k_that_is_not_shown_to_be_faster_than_none_is_not_recommended():
    found = verdict([plain(), finalist(2, -8, 20), finalist(4, -22, 3)], 2, 4)
    assert (found.finding, found.recommended) == (Finding.FASTER, 4)


def test_k_0_is_recommended_where_it_may_be_the_best():
    found = verdict([plain(), finalist(2, -3, 5), finalist(4, 10, 5)], 0, 2)
    assert (found.finding, found.recommended, found.fastest) == (Finding.CANNOT_TELL, 0, 2)
    assert found.may_be_best == (0, 2)


def test_speculation_that_makes_every_finalist_slower_is_said_to_do_so():
    found = verdict([plain(), finalist(1, 12, 5), finalist(2, 30, 5)], 0)
    assert (found.finding, found.recommended, found.fastest) == (Finding.PLAIN_IS_BEST, 0, 0)


def test_slower_by_the_estimates_alone_is_no_finding():
    found = verdict([plain(), finalist(1, 4, 5), finalist(2, 30, 5)], 0, 1)
    assert (found.finding, found.recommended) == (Finding.CANNOT_TELL, 0)


def test_without_intervals_nothing_is_said_to_be_faster():
    bare = LogRatio(-0.5, None, None, None, None, 1, None)
    found = conclude([plain(), Finalist(4, bare)], lambda _: None, 0.95)
    assert (found.finding, found.recommended, found.fastest) == (Finding.CANNOT_TELL, 0, 4)


def test_the_fastest_that_certainly_misses_the_objectives_is_passed_over():
    often, rarely = wilson(20, 20), wilson(8, 20)
    found = verdict([plain(often), finalist(2, -10, 3, often), finalist(4, -25, 3, rarely)], 2)
    assert (found.finding, found.recommended, found.fastest) == (Finding.FASTER, 2, 2)


def test_attainment_below_what_is_wanted_is_no_miss_as_long_as_it_may_be_chance():
    nearly = wilson(18, 20)
    found = verdict([plain(nearly), finalist(4, -25, 3, nearly)], 4)
    assert found.recommended == 4


def test_where_k_0_misses_the_objectives_drafting_need_not_be_shown_to_be_faster():
    found = verdict(
        [plain(wilson(3, 20)), finalist(2, -3, 9, wilson(19, 20)), finalist(4, -4, 9, wilson(20, 20))], 2, 4
    )
    assert (found.finding, found.recommended, found.fastest) == (Finding.PLAIN_MISSES_SLO, 2, 4)


def test_where_all_miss_the_objectives_the_nearest_is_named():
    finalists = [plain(wilson(2, 20)), finalist(2, -10, 3, wilson(9, 20)), finalist(4, -30, 3, wilson(5, 20))]
    found = verdict(finalists, 4)
    assert (found.finding, found.recommended, found.may_be_best) == (Finding.SLO_MISSED, 2, ())


@pytest.mark.parametrize(("prompts", "searches", "most"), [(12, 100, 7), (24, 60, 5)])
def test_where_nothing_differs_drafting_is_hardly_ever_called_faster(prompts, searches, most):
    """Choosing the two that looked best of eight must not flatter them: the last round is measured afresh."""
    chance = np.random.default_rng(5)
    sizes = round_sizes(8, warmup=0)
    faster = 0
    for _ in range(searches):
        challengers, noise = tuple(range(1, 9)), chance.normal(0, 0.1, size=(18, 9))
        for size, seen in zip(sizes[1:], (6, 18), strict=True):
            ratios = (noise[:seen] - noise[:seen, :1]).mean(axis=0)
            at = [Standing(k, float(ratios[k]), seen, seen) for k in challengers]
            challengers = survivors(at, size.challengers)
        common = chance.normal(0, 0.3, size=(prompts, 1))
        times = np.exp(common + chance.normal(0, 0.1, size=(prompts, 3)))[:, np.newaxis, np.newaxis, :]
        lengths = (0, *challengers)
        sums = Sums(times, np.ones_like(times))

        def best_among(of, sums=sums, lengths=lengths):
            return [lengths[place] for place in best_set(sums, 0).candidates if lengths[place] in of]

        compared = compare_to(sums, 0)[0]
        found = conclude([Finalist(k, c) for k, c in zip(lengths, compared, strict=True)], best_among, 0.95)
        faster += found.finding is Finding.FASTER
        assert found.finding is not Finding.FASTER or found.recommended in challengers
    # 5 % for both directions together, 2.5 % for this one: more than these have a probability below 1 %.
    assert faster <= most
