"""Whether k shows in time, for servers that count no drafts.

If k reaches the server, then either accepted tokens arrive together more often at the longer k, or drafting costs time
that nothing is gained for. So a k that does something shows in one of two tests, and one that leaves both the time per
token and the tokens per burst unchanged does nothing. "Unchanged" has to be shown, by intervals that lie within bounds
(two one-sided tests, Schuirmann 1987); a test that finds nothing shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from halospec.probe.judgement import Judgement
from halospec.probe.paired_tests import BURSTS
from halospec.records.probe import Basis, PairedTest, Verdict

LEVEL = 0.01
"""Highest p-value, adjusted for all tests of the report, at which a difference is believed."""

UNCHANGED = (0.85, 1 / 0.85)
"""A ratio whose whole interval lies in here counts as unchanged."""

LEAST_TIME_EFFECT = 0.02
LEAST_BURST_EFFECT = 0.05
"""A smaller effect, however certain, is not taken for drafting: a longer request body has one too."""

MOST_PAIRS_TO_ADVISE = 200


def judge_time(tests: Sequence[PairedTest]) -> Judgement:
    """Judge one knob by its tests, if it has any."""
    bursts = next((test for test in tests if test.quantity == BURSTS), None)
    times = next((test for test in tests if test.quantity != BURSTS), None)
    if times is None:
        return Judgement(
            Verdict.CANNOT_TELL,
            Basis.NOTHING,
            "the server counts no drafts, and too few canaries came back in time for a test of time",
            more_may_tell=True,
        )
    if bursts is not None and _shown(bursts, LEAST_BURST_EFFECT):
        if bursts.ratio > 1:
            return Judgement(
                Verdict.OBEYED, Basis.TIME, f"tokens arrive together more at the longer k: {_words(bursts)}"
            )
        return _cannot_tell(
            f"fewer tokens arrive together at the longer k, which no drafting explains: {_words(bursts)}"
        )
    if _shown(times, LEAST_TIME_EFFECT):
        return Judgement(Verdict.OBEYED, Basis.TIME, f"k changes how long tokens take: {_words(times)}")
    if bursts is None:
        return _cannot_tell(
            f"the server counts no drafts, and how its tokens come together cannot be seen; {_words(times)}"
        )
    if _unchanged(times) and _unchanged(bursts):
        return Judgement(
            Verdict.IGNORED,
            Basis.TIME,
            f"k changes neither how long tokens take nor how they arrive: {_words(times)}; {_words(bursts)}",
        )
    return _cannot_tell(
        f"the server counts no drafts, and time does not tell yet: {_words(times)}; {_words(bursts)}"
        f"; {_advice([times, bursts])}"
    )


def _shown(test: PairedTest, least_effect: float) -> bool:
    return test.p_adjusted <= LEVEL and abs(math.log(test.ratio)) >= math.log1p(least_effect)


def _unchanged(test: PairedTest) -> bool:
    low, high = UNCHANGED
    return test.low is not None and test.high is not None and low <= test.low and test.high <= high


def _words(test: PairedTest) -> str:
    interval = "" if test.low is None or test.high is None else f" (95 % interval {test.low:.2f} to {test.high:.2f})"
    return (
        f"{test.quantity} at k = {test.longer} is {test.ratio:.2f} times that at k = {test.shorter}{interval}"
        f" in {test.pairs} pairs, adjusted p = {test.p_adjusted:.2g}"
    )


def _advice(tests: Sequence[PairedTest]) -> str:
    pairs = max(_pairs_to_settle(test) for test in tests)
    if pairs > MOST_PAIRS_TO_ADVISE:
        return "times scatter too much here for any number of canaries; try again on a quieter machine"
    return f"about {pairs} pairs may settle it (`halospec probe --blocks {pairs}`), and so may a quieter machine"


def _pairs_to_settle(test: PairedTest) -> int:
    """Return roughly how many pairs would narrow the interval enough, its width going with 1 / √n."""
    if _unchanged(test) or test.low is None or test.high is None:
        return test.pairs
    half = math.log(test.high / test.low) / 2
    shift, bound = abs(math.log(test.ratio)), math.log(UNCHANGED[1])
    # Either the interval comes to lie inside the bounds, or the shift comes to stand clear of 0.
    wanted = max(bound - shift, shift / 2)
    return math.ceil(test.pairs * max(1.0, half / wanted) ** 2) + 1


def _cannot_tell(reason: str) -> Judgement:
    return Judgement(Verdict.CANNOT_TELL, Basis.TIME, reason, more_may_tell=True)
