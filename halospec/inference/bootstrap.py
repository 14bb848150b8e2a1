"""The studentised pigeonhole bootstrap: blocks and prompts are drawn again, independently of one another.

Owen (2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1): a cell of a block and a prompt weighs as often as its block
was drawn times as often as its prompt was. The replicates' variance is up to three times too large where cells vary by
themselves, so it is not used as it is: each replicate is divided by its own standard error, which is too large by as
much, and the quotient's distribution is applied to the standard error of the sample (Hall 1992 on studentising).

The standard error is the linearised two-way cluster-robust one of Cameron, Gelbach & Miller (2011, J. Bus. Econ. Stat.
29), V_block + V_prompt - V_cell, or the larger of V_block and V_prompt where that is more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from halospec.inference.log_ratios import SIGNS, Contrast, log_ratio, paired_sums
from halospec.inference.types import Floats, Sums

REPLICATES = 2_000

FEWEST_PROMPTS = 10
"""Fewer prompts are not taken for a sample of prompts: conclusions are about these, and only blocks are drawn again."""

_NO_VARIANCE = 1e-14
"""What rounding leaves of a variance of 0, being a difference of sums of squares near 1."""

_CHUNK = 2_000_000
"""Numbers held at a time."""

_REMEMBERED = 512
"""Pairs of arms whose distribution is kept, some tens of kilobytes each."""


@dataclass(frozen=True, eq=False)
class Bootstrapped:
    """Contrasts with their standard errors, and the distribution of their studentised errors.

    Attributes
    ----------
    values, standard_errors
        Shape (C,).
    degrees
        Of freedom of a t statistic on that few clusters, shape (C,).
    errors
        (replicate - value) / standard error of the replicate, shape (replicates, C): jointly over the contrasts, since
        all are computed from the same draws.
    """

    values: Floats
    standard_errors: Floats
    degrees: npt.NDArray[np.int64]
    errors: Floats


def bootstrap(sums: Sums, contrasts: Sequence[Contrast], *, seed: int) -> Bootstrapped:
    """Draw blocks and prompts again, and recompute every contrast each time.

    Prompts alone are drawn where each block holds one prompt only; blocks alone where a contrast is held by fewer than
    `FEWEST_PROMPTS` prompts.
    """
    measured = (sums.denominator > 0).any(axis=(2, 3))
    is_nested = bool((measured.sum(axis=1) <= 1).all())
    results = []
    for contrast in contrasts:
        turned = contrast.other is not None and contrast.other < contrast.arm
        pieces = paired_sums(sums, _turned(contrast) if turned else contrast)
        draws_blocks = draws_prompts = True
        if int((pieces[1] > 0).any(axis=0).sum()) < FEWEST_PROMPTS:
            pieces, draws_prompts = pieces.sum(axis=2, keepdims=True), False
        elif is_nested:
            pieces, draws_blocks = pieces.sum(axis=1, keepdims=True), False
        value, standard_error, degrees, errors = _remembered(
            _Pieces(pieces), seed, *measured.shape, draws_blocks=draws_blocks, draws_prompts=draws_prompts
        )
        sign = -1.0 if turned else 1.0
        results.append((sign * value, standard_error, degrees, sign * errors))
    values, standard_errors, all_degrees, all_errors = zip(*results, strict=True)
    return Bootstrapped(
        np.array(values), np.array(standard_errors), np.array(all_degrees), np.stack(all_errors, axis=1)
    )


def _turned(contrast: Contrast) -> Contrast:
    return Contrast(contrast.stratum, contrast.arm if contrast.other is None else contrast.other, contrast.arm)


class _Pieces:
    """Sums that can be looked up: those of equal numbers are equal."""

    def __init__(self, sums: Floats) -> None:
        self.sums = sums
        self._digest = hashlib.blake2b(repr(sums.shape).encode() + sums.tobytes(), digest_size=16).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pieces) and self._digest == other._digest


@lru_cache(maxsize=_REMEMBERED)
def _remembered(
    pieces: _Pieces, seed: int, blocks: int, prompts: int, *, draws_blocks: bool, draws_prompts: bool
) -> tuple[float, float, int, Floats]:
    """Return what `_studentised` does; the same pair of arms is asked for in one family after another."""
    by_block, by_prompt = _weights(seed, blocks, prompts)
    once = np.ones((REPLICATES, 1))
    return _studentised(pieces.sums, by_block if draws_blocks else once, by_prompt if draws_prompts else once)


@lru_cache(maxsize=4)
def _weights(seed: int, blocks: int, prompts: int) -> tuple[Floats, Floats]:
    """Return how often each block and each prompt is drawn in each replicate."""
    chance = np.random.default_rng(seed)
    by_block, by_prompt = (
        chance.multinomial(clusters, np.full(clusters, 1 / clusters), size=REPLICATES).astype(np.float64)
        for clusters in (blocks, prompts)
    )
    return by_block, by_prompt


def _studentised(pieces: Floats, block_weights: Floats, prompt_weights: Floats) -> tuple[float, float, int, Floats]:
    """Return a contrast's value, standard error, degrees of freedom and studentised errors from its (K, B, P) sums.

    An axis of length 1 is not drawn from.
    """
    totals = pieces.sum(axis=(1, 2))
    # Shares of the totals, so that the sums of a replicate are near 1.
    shares = pieces / totals[:, np.newaxis, np.newaxis]
    held = pieces[1] > 0
    clusters = [int(held.any(axis=1).sum()), int(held.any(axis=0).sum())]
    corrections = [count / max(count - 1, 1) for count in (*clusters, int(held.sum()))]
    every = np.ones((1, held.shape[0])), np.ones((1, held.shape[1]))
    variance = float(_replicated(shares, *every, corrections)[1][0])

    errors = []
    chunk = max(1, _CHUNK // (len(shares) * sum(held.shape)))
    for start in range(0, len(block_weights), chunk):
        some = slice(start, start + chunk)
        deviations, variances = _replicated(shares, block_weights[some], prompt_weights[some], corrections)
        errors.append(_quotient(deviations, np.sqrt(variances)))
    drawn = [count for count, size in zip(clusters, held.shape, strict=True) if size > 1]
    return float(log_ratio(totals)), float(np.sqrt(variance)), min(drawn) - 1, np.concatenate(errors)


def _replicated(
    shares: Floats, block_weights: Floats, prompt_weights: Floats, corrections: Sequence[float]
) -> tuple[Floats, Floats]:
    """Return each replicate's log ratio relative to the sample's, and its variance; NaN for an empty replicate."""
    kinds = len(shares)
    signs = SIGNS[:kinds]
    in_blocks = np.einsum("rp,kbp->rkb", prompt_weights, shares, optimize=True)
    in_prompts = np.einsum("rb,kbp->rkp", block_weights, shares, optimize=True)
    totals = np.einsum("rkp,rp->kr", in_prompts, prompt_weights, optimize=True)
    deviations = log_ratio(totals)
    influence = np.divide(signs[:, np.newaxis], totals, out=np.zeros_like(totals), where=totals > 0)

    v_block = np.einsum("rb,rb->r", block_weights, np.einsum("kr,rkb->rb", influence, in_blocks, optimize=True) ** 2)
    v_prompt = np.einsum("rp,rp->r", prompt_weights, np.einsum("kr,rkp->rp", influence, in_prompts, optimize=True) ** 2)
    v_cell = np.zeros_like(v_block)
    for one in range(kinds):
        for other in range(one, kinds):
            products = ((block_weights @ (shares[one] * shares[other])) * prompt_weights).sum(axis=1)
            v_cell += (1 if one == other else 2) * influence[one] * influence[other] * products
    v_block, v_prompt, v_cell = (v * c for v, c in zip((v_block, v_prompt, v_cell), corrections, strict=True))
    variances = np.maximum(v_block + v_prompt - v_cell, np.maximum(v_block, v_prompt))
    return deviations, np.where(variances > _NO_VARIANCE, variances, 0.0)


def _quotient(deviations: Floats, standard_errors: Floats) -> Floats:
    """Return deviations over standard errors; infinite where a replicate was empty or had no spread to go by."""
    usable = ~np.isnan(deviations) & (standard_errors > 0)
    quotient = np.full_like(deviations, np.inf)
    np.divide(deviations, standard_errors, out=quotient, where=usable)
    return np.where(deviations == 0, 0.0, quotient)
