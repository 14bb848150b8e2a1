"""Contrasts measured together, so that what is said of them can hold for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from halospec.inference.bootstrap import bootstrap
from halospec.inference.log_ratios import Contrast, block_log_ratios, blocks_held
from halospec.inference.max_t import Sides, critical_at, joint_level, p_values
from halospec.inference.power import POWER
from halospec.inference.t_blocks import block_means
from halospec.inference.types import BOOTSTRAP_FROM_BLOCKS, Floats, LogRatio, Method, Sums

_DEGENERATE = 0.01
"""Share of replicates without a spread beyond which a bootstrap is not believed, and t is used."""


@dataclass(frozen=True, eq=False)
class Family:
    """Contrasts, each held by two blocks or more; the arrays have the shape (C,) unless they say otherwise.

    Attributes
    ----------
    degrees
        Of freedom.
    spread
        What simultaneous statements are computed from: the log ratios of blocks, shape (B, C), or a bootstrap's
        studentised errors, shape (replicates, C).
    """

    values: Floats
    standard_errors: Floats
    degrees: npt.NDArray[np.int64]
    method: Method
    spread: Floats

    def at(self, places: Sequence[int], signs: Sequence[int]) -> Family:
        """Return some of the contrasts, those with sign -1 turned round."""
        chosen, sign = np.asarray(places, dtype=np.intp), np.asarray(signs, dtype=np.float64)
        return replace(
            self,
            values=self.values[chosen] * sign,
            standard_errors=self.standard_errors[chosen],
            degrees=self.degrees[chosen],
            spread=self.spread[:, chosen] * sign,
        )

    def level(self, confidence: float, seed: int, sides: Sides = Sides.TWO) -> float:
        """Return the level of each test at which all together have the level 1 - confidence; see `max_t`."""
        if self.method is Method.T_ON_BLOCKS:
            return joint_level(self.spread, confidence=confidence, seed=seed, sides=sides)
        each = np.where(np.isinf(self.spread), 0.0, p_values(self.spread, self.degrees, sides))
        return min(1 - confidence, float(np.quantile(each.min(axis=1), 1 - confidence)))

    def critical(self, confidence: float, seed: int, sides: Sides = Sides.TWO) -> Floats:
        """Return each contrast's simultaneous critical value."""
        return critical_at(self.level(confidence, seed, sides), self.degrees, sides)


def family_of(sums: Sums, contrasts: Sequence[Contrast], ratios: Floats, seed: int) -> Family:
    """Measure contrasts, one or more, whose (B, C) block log ratios hold two values or more each.

    The contrast with the fewest blocks decides the method for all.
    """
    if min(blocks_held(ratios)) >= BOOTSTRAP_FROM_BLOCKS:
        drawn = bootstrap(sums, contrasts, seed=seed)
        if np.isinf(drawn.errors).any(axis=1).mean() <= _DEGENERATE:
            return Family(drawn.values, drawn.standard_errors, drawn.degrees, Method.BOOTSTRAP, drawn.errors)
    means = block_means(ratios)
    return Family(means.values, means.standard_errors, means.degrees, Method.T_ON_BLOCKS, ratios)


def compared(sums: Sums, contrasts: Sequence[Contrast], *, confidence: float, seed: int) -> list[LogRatio | None]:
    """Return each contrast with an interval that holds for all of them at once; None where no block holds it."""
    ratios = block_log_ratios(sums, contrasts)
    blocks = blocks_held(ratios)
    results: list[LogRatio | None] = [
        LogRatio(float(np.nanmean(column)), None, None, None, None, count, None) if count else None
        for column, count in zip(ratios.T, blocks, strict=True)
    ]
    places = [place for place, count in enumerate(blocks) if count >= 2]
    if not places:
        return results
    family = family_of(sums, [contrasts[place] for place in places], ratios[:, places], seed)
    half_widths = family.critical(confidence, seed) * family.standard_errors
    detectable = half_widths + critical_at(1 - POWER, family.degrees, Sides.ONE) * family.standard_errors
    for index, place in enumerate(places):
        value, half_width = float(family.values[index]), float(half_widths[index])
        results[place] = LogRatio(
            value=value,
            low=value - half_width,
            high=value + half_width,
            standard_error=float(family.standard_errors[index]),
            smallest_detectable=float(detectable[index]),
            blocks=blocks[place],
            method=family.method,
        )
    return results
