"""Sampling's rules written down as their definitions say, one token after another in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halospec_server.decoding.sampling import Sampling


def plain_distribution(logits: NDArray[np.floating], sampling: Sampling) -> NDArray[np.float64]:
    """Apply temperature, then top_k, then top_p, then min_p."""
    logits = logits.astype(np.float64)
    p = _normalised(np.exp((logits - logits.max()) / sampling.temperature))
    likeliest_first = sorted(range(len(p)), key=lambda token: (-p[token], token))
    if sampling.top_k > 0:
        p = _restricted(p, likeliest_first[: sampling.top_k])
    if sampling.top_p < 1.0:
        reached = p[likeliest_first].cumsum() >= sampling.top_p
        p = _restricted(p, likeliest_first[: int(reached.argmax()) + 1])
    return _restricted(p, np.flatnonzero(p >= sampling.min_p * p.max()).tolist())


def is_clear_cut(logits: NDArray[np.floating], sampling: Sampling) -> bool:
    """Whether the same tokens are kept if the thresholds are a hair's breadth off, as rounding may make them."""
    if sampling.top_p == 1.0 and sampling.min_p == 0.0:
        return True
    supports = [
        plain_distribution(
            logits,
            replace(
                sampling,
                top_p=min(sampling.top_p * factor, 1.0) if sampling.top_p < 1.0 else 1.0,
                min_p=min(sampling.min_p * factor, 1.0),
            ),
        )
        > 0.0
        for factor in (1 - 1e-5, 1 + 1e-5)
    ]
    return bool((supports[0] == supports[1]).all())


def _restricted(p: NDArray[np.float64], kept: list[int]) -> NDArray[np.float64]:
    result = np.zeros_like(p)
    result[kept] = p[kept]
    return _normalised(result)


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = weights / weights.sum()
    return result
