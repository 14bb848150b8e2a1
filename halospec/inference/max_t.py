"""Critical values for several comparisons at once, each with its own variance estimate and its own number of blocks.

The level at which each comparison is tested is set so that, where nothing differs, *any* of them is rejected with
probability 1 - confidence: the distribution of the smallest p-value is simulated, with Gaussian blocks that have the
comparisons' own correlation. With equal numbers of blocks that is max-t (Westfall & Young 1993; Bretz, Hothorn &
Westfall 2010); with unequal ones it is max-t balanced in the sense of Beran (1988, JASA 83), so that a comparison that
two blocks hold does not widen the intervals of the others.

The correlation is estimated from few blocks, and shrunk towards none as Schäfer & Strimmer (2005, Stat. Appl. Genet.
Mol. Biol. 4:32) propose. Shrinking errs on the safe side: the less Gaussian variables hang together, the larger their
maximum (Šidák 1967, JASA 62; for own variance estimates 1971, Ann. Math. Stat. 42).
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy import special

from halospec.inference.types import Floats

Counts = npt.NDArray[np.int64]

DRAWS = 20_000
"""Simulated experiments: the level comes out within 3 % of itself."""

_FEWEST_FOR_CORRELATION = 4
"""With fewer blocks in common, two comparisons are taken to be uncorrelated."""

_CHUNK = 4_000_000
"""Simulated numbers held at a time."""


class Sides(Enum):
    """Whether a difference in either direction counts, or only one above 0."""

    TWO = 2
    ONE = 1


def critical_values(ratios: Floats, *, confidence: float, seed: int, sides: Sides = Sides.TWO) -> Floats:
    """Return the value that each comparison's |t| (or t) has to exceed.

    Parameters
    ----------
    ratios
        Shape (B, C), NaN where a block does not hold a comparison; each comparison is held by at least two.
    """
    level = joint_level(ratios, confidence=confidence, seed=seed, sides=sides)
    return critical_at(level, np.count_nonzero(~np.isnan(ratios), axis=0) - 1, sides)


def critical_at(level: float, degrees: Counts | int, sides: Sides = Sides.TWO) -> Floats:
    """Return the critical value of Student's t for a test at a level."""
    return np.asarray(-special.stdtrit(degrees, level / sides.value), dtype=np.float64)


def p_values(t: Floats, degrees: Counts | int, sides: Sides = Sides.TWO) -> Floats:
    """Return the p-values of t statistics."""
    distance = np.abs(t) if sides is Sides.TWO else t
    return np.asarray(sides.value * special.stdtr(degrees, -distance), dtype=np.float64)


def joint_level(ratios: Floats, *, confidence: float, seed: int, sides: Sides = Sides.TWO) -> float:
    """Return the level of each test at which all together have the level 1 - confidence.

    Never above 1 - confidence, so that no interval is narrower than the comparison's own; never below Bonferroni's.
    """
    comparisons, alpha = ratios.shape[1], 1 - confidence
    if comparisons == 1:
        return alpha
    correlation = shrunk_correlation(ratios)
    if np.array_equal(correlation, np.eye(comparisons)):
        return float(1 - confidence ** (1 / comparisons))
    smallest = _smallest_p_values(~np.isnan(ratios), correlation, seed, sides)
    return float(np.clip(np.quantile(smallest, alpha), alpha / comparisons, alpha))


def shrunk_correlation(ratios: Floats) -> Floats:
    """Return the comparisons' correlation over blocks, shrunk towards the identity as far as its own error asks for."""
    held = ~np.isnan(ratios)
    counts = held.sum(axis=0)
    means = np.where(held, ratios, 0.0).sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(held, ratios - means, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / np.maximum(counts - 1, 1))
    varies = np.nanmax(ratios, axis=0) > np.nanmin(ratios, axis=0)
    scaled = np.divide(centred, scale, out=np.zeros_like(centred), where=varies)

    together = held.T.astype(np.float64) @ held
    products = scaled[:, :, np.newaxis] * scaled[:, np.newaxis, :]
    mean = products.sum(axis=0) / np.maximum(together, 1)
    correlation = mean * together / np.maximum(together - 1, 1)
    both = held[:, :, np.newaxis] & held[:, np.newaxis, :]
    spread = (np.where(both, products - mean, 0.0) ** 2).sum(axis=0)
    variance = together / np.maximum(together - 1, 1) ** 3 * spread

    estimable = (together >= _FEWEST_FOR_CORRELATION) & ~np.eye(len(counts), dtype=np.bool_)
    correlation = np.where(estimable, np.clip(correlation, -1, 1), 0.0)
    squares = float((correlation**2).sum())
    intensity = min(1.0, float(variance[estimable].sum()) / squares) if squares > 0 else 1.0
    lowest = 1.0 + float(np.linalg.eigvalsh(correlation)[0])
    # Correlations from different blocks need not be those of anything; with so much of the identity they are.
    intensity = max(intensity, -lowest / (1.0 - lowest) if lowest < 0 else 0.0)
    return np.asarray((1.0 - intensity) * correlation + np.eye(len(counts)))


def _smallest_p_values(held: npt.NDArray[np.bool_], correlation: Floats, seed: int, sides: Sides) -> Floats:
    """Simulate experiments in which nothing differs, and return the smallest p-value of each."""
    blocks, comparisons = held.shape
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.clip(values, 0, None))).T.astype(np.float32)
    counts = held.sum(axis=0)
    chance = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // (blocks * comparisons))
    pieces = []
    for start in range(0, DRAWS, chunk):
        shape = (min(chunk, DRAWS - start), blocks, comparisons)
        drawn = (chance.standard_normal(shape, dtype=np.float32) @ root) * held
        mean = drawn.sum(axis=1) / counts
        drawn -= mean[:, np.newaxis, :]
        drawn *= held
        t = mean / np.sqrt(np.einsum("dbc,dbc->dc", drawn, drawn) / (counts * (counts - 1)))
        pieces.append(_smallest_p_value(t, counts - 1, sides))
    return np.concatenate(pieces)


def _smallest_p_value(t: Floats, degrees: npt.NDArray[np.int64], sides: Sides) -> Floats:
    distance = np.abs(t) if sides is Sides.TWO else t
    # Of equal degrees of freedom the largest t has the smallest p-value, and one conversion does for all of them.
    each = [p_values(distance[:, degrees == df].max(axis=1), df, sides) for df in np.unique(degrees)]
    return np.asarray(np.stack(each).min(axis=0))
