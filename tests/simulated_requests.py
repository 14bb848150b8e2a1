"""Requests made of numbers, as a run with these effects would have left them. No server ever answered them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from halospec.analysis.modes import in_order
from halospec.analysis.requests import PHASES, Requests
from halospec.records.schema import MEASURED_PHASES, Phase

BASE_MS = 20.0
TOKENS = 32.0


def simulated(
    *,
    modes: Sequence[str] = ("fixed_0", "fixed_1", "fixed_2", "fixed_4", "adaptive"),
    phases: Sequence[Phase] = MEASURED_PHASES,
    blocks: int = 6,
    steps: int = 4,
    prompts: int = 30,
    effects: Mapping[tuple[str, Phase], float] | Mapping[str, float] | None = None,
    block_sd: float = 0.1,
    mode_in_block_sd: float = 0.03,
    prompt_sd: float = 0.2,
    noise_sd: float = 0.08,
    drift: float = 0.1,
    seed: int = 1,
    placebo: bool = False,
) -> Requests:
    """Return blocks of all modes in random order, each with ``steps`` requests a phase.

    ``effects`` are differences of logarithms, of a mode in all phases or in one. ``drift`` is how much slower the
    machine gets over a block: it falls on modes as the order of the block has it. A mode in a block has an error of its
    own (``mode_in_block_sd``), since requests that follow each other are alike.
    """
    chance = np.random.default_rng(seed)
    modes = in_order(modes)
    shape = (blocks, len(modes), len(phases), steps)
    block, mode, phase, step = np.indices(shape)
    position = chance.permuted(np.tile(np.arange(len(modes)), (blocks, 1)), axis=1)
    decks = np.stack([chance.permutation(prompts) for _ in range(blocks)])
    number = phase * steps + step
    prompt = decks[block, number % prompts]
    given = effects or {}
    effect = np.array([[given.get((m, p), given.get(m, 0.0)) for p in phases] for m in modes])  # type: ignore[call-overload]
    log_tpot = (
        np.log(BASE_MS)
        + (prompt_sd * chance.standard_normal(prompts))[prompt]
        + (block_sd * chance.standard_normal((blocks, len(phases))))[block, phase]
        + (mode_in_block_sd * chance.standard_normal((blocks, len(modes), len(phases))))[block, mode, phase]
        + drift * position[block, mode] / len(modes)
        + effect[mode, phase]
        + noise_sd * chance.standard_normal(shape)
    )
    decode_ms = np.exp(log_tpot) * (TOKENS - 1)
    ttft_ms = 100 * np.exp(noise_sd * chance.standard_normal(shape))
    place = ((block * len(modes) + position[block, mode]) * len(phases) + phase) * steps + step
    order = np.argsort(place.ravel())
    size = block.size
    missing = np.full(size, np.nan)
    lengths = np.array([np.nan if m == "adaptive" else float(m.removeprefix("fixed_")) for m in modes])
    started_ns = place.ravel() * 10**9
    return Requests(
        modes=modes,
        prompts=tuple(f"prompt-{n}" for n in range(prompts)),
        texts=(),
        errors=(),
        mode=mode.ravel(),
        phase=np.array([PHASES.index(p) for p in phases])[phase.ravel()],
        block=block.ravel() + 1,
        step=number.ravel() + 1,
        prompt=prompt.ravel(),
        text=np.full(size, -1),
        error=np.full(size, -1),
        success=np.ones(size, dtype=np.bool_),
        by_events=np.zeros(size, dtype=np.bool_),
        nonce=np.zeros(size, dtype=np.bool_),
        mean_limit=missing,
        draft_length=lengths[mode.ravel()],
        latency_ms=(ttft_ms + decode_ms).ravel(),
        ttft_ms=ttft_ms.ravel(),
        decode_ms=decode_ms.ravel(),
        tokens=np.full(size, TOKENS),
        drafted=missing,
        accepted=missing,
        rounds=missing,
        cached_tokens=missing,
        load_percent=missing,
        started_ns=started_ns,
        ended_ns=started_ns + 10**8,
        placebo=placebo,
    ).taken(order)
