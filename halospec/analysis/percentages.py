"""Percentages with as many digits as their interval supports, for sentences and tables alike."""

from __future__ import annotations

import math

from halospec.analysis.comparisons import Difference

_MOST_DECIMALS = 2
_LARGEST = 999.5


def decimals_of(half_width: float) -> int:
    """Return how many decimals an interval supports: as many as its half-width needs to show its first digit."""
    if half_width <= 0:
        return _MOST_DECIMALS
    return min(_MOST_DECIMALS, max(0, math.ceil(-math.log10(half_width))))


def rounded(percent: float, decimals: int, *, sign: bool = False) -> str:
    """Return a number without "%"; what is not 0 is never shown as 0, but with its first digit.

    Numbers of a thousand and more are shown as ">999": an interval that reaches there says no more than that.
    """
    if percent == 0:
        return "0"
    if percent >= _LARGEST:
        return ">999"
    text = f"{percent:.{decimals}f}"
    if float(text) == 0:
        text = f"{percent:.{-math.floor(math.log10(abs(percent)))}f}"
    return f"+{text}" if sign and percent > 0 else text


def smallest_detectable(difference: Difference) -> str | None:
    """Return the smallest detectable difference with "%"; ``None`` where there is none."""
    percent = difference.smallest_detectable_percent
    return None if percent is None else f"{rounded(percent, 0 if percent >= 1 else 1)} %"


def signed(difference: Difference) -> tuple[str, str | None]:
    """Return the difference and its interval, ``[-22, -14]``, both with signs; no interval is ``None``."""
    if difference.low_percent is None:
        return rounded(difference.percent, 0, sign=True), None
    low, high, decimals = _interval(difference)
    interval = f"[{rounded(low, decimals, sign=True)}, {rounded(high, decimals, sign=True)}]"
    return rounded(difference.percent, decimals, sign=True), interval


def ends(difference: Difference) -> tuple[str, str]:
    """Return the ends of a found difference's interval without their sign, the smaller number first.

    Raises
    ------
    ValueError
        If it has no interval, so that nothing was found.
    """
    low, high, decimals = _interval(difference)
    smaller, larger = sorted((abs(low), abs(high)))
    return rounded(smaller, decimals), rounded(larger, decimals)


def spoken(difference: Difference) -> tuple[str, str]:
    """Return a found difference without its sign, as in "18 % faster [14, 22]": the number and the interval.

    Raises
    ------
    ValueError
        If it has no interval, so that nothing was found.
    """
    *_, decimals = _interval(difference)
    return rounded(abs(difference.percent), decimals), f"[{', '.join(ends(difference))}]"


def _interval(difference: Difference) -> tuple[float, float, int]:
    low, high = difference.low_percent, difference.high_percent
    if low is None or high is None:
        raise ValueError("a difference without an interval was not found")
    return low, high, decimals_of((high - low) / 2)
