"""Shares of requests, tokens or rounds."""

from __future__ import annotations

import math

from scipy import special

from halospec.inference.types import CONFIDENCE, Share


def wilson(count: int, of: int, *, confidence: float = CONFIDENCE) -> Share:
    """Return a proportion with its score interval (Wilson 1927, JASA 22), which holds for few and for extreme counts.

    Raises
    ------
    ValueError
        If there is nothing to take a share of, or more is counted than there is.
    """
    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of} is not a share.")
    z = float(special.ndtri((1 + confidence) / 2))
    share = count / of
    middle = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half_width = z / (1 + z**2 / of) * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    # In exact arithmetic the end is 0 or 1 there; rounding must not leave a speck beyond it.
    low = 0.0 if count == 0 else middle - half_width
    high = 1.0 if count == of else middle + half_width
    return Share(share, low, high, count, of)
