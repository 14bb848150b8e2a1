"""Simulated experiments as sums by block, prompt, stratum and arm, with what makes real ones hard."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from halospec.inference.types import Sums

Floats = npt.NDArray[np.float64]
BLOCK_SD = 0.2
EVEN_SD = 0.08

Noise = Callable[[np.random.Generator, int, int, int], Floats]
"""From chance, blocks, steps and arms to errors of the log time per token, shape (blocks, steps, arms)."""


def even(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    return EVEN_SD * chance.standard_normal((blocks, steps, arms))


def uneven_arms(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    """Draw errors of very different spread for each arm, of equal mean time."""
    sd = np.linspace(0.02, 0.3, arms)
    return sd * chance.standard_normal((blocks, steps, arms)) - sd**2 / 2


def noisy_reference(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    """Draw errors of which the first arm has most, so that all comparisons with it hang together."""
    sd = np.where(np.arange(arms) == 0, 0.24, 0.03)
    return sd * chance.standard_normal((blocks, steps, arms)) - sd**2 / 2


def arms_in_groups(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    """Draw errors of which part is common to every other arm within a block."""
    common = 0.1 * chance.standard_normal((blocks, 2))
    return 0.05 * chance.standard_normal((blocks, steps, arms)) + common[:, np.newaxis, np.arange(arms) % 2]


def heavy_tails(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    by_block = 0.04 * chance.standard_t(3, (blocks, 1, arms))
    return 0.05 * chance.standard_t(3, (blocks, steps, arms)) + by_block


def spikes(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    """Make one request in thirty four times as slow as the others."""
    shape = (blocks, steps, arms)
    return 0.03 * chance.standard_normal(shape) + 1.4 * (chance.random(shape) < 1 / 30)


def drift(chance: np.random.Generator, blocks: int, steps: int, arms: int) -> Floats:
    """Let the machine's speed wander from request to request, arm after arm in random order within each block."""
    shocks = 0.15 * np.sqrt(1 - 0.95**2) * chance.standard_normal(blocks * arms * steps)
    speed = np.empty_like(shocks)
    now = 0.15 * chance.standard_normal()
    for place, shock in enumerate(shocks):
        now = 0.95 * now + shock
        speed[place] = now
    turns = np.argsort(chance.random((blocks, arms)), axis=1)
    by_arm = np.empty((blocks, arms, steps))
    np.put_along_axis(by_arm, turns[:, :, np.newaxis], speed.reshape(blocks, arms, steps), axis=1)
    return by_arm.transpose(0, 2, 1) + 0.04 * chance.standard_normal((blocks, steps, arms))


def simulated_sums(
    chance: np.random.Generator,
    *,
    blocks: int,
    arms: int,
    strata: int = 1,
    steps: int = 6,
    noise: Noise = even,
    prompts: int | None = None,
    prompt_sd: float = 0.3,
    interaction: float = 0.0,
    effects: Floats | None = None,
) -> Sums:
    """Simulate a run: in every block each arm answers the same prompts, dealt in an order of the block's own.

    Parameters
    ----------
    steps
        Requests of an arm per block and stratum.
    prompts
        As many as there are steps in a block, if not given.
    prompt_sd
        Standard deviation of what a prompt does to all arms.
    interaction
        Standard deviation of what a prompt does to an arm, alike in all blocks.
    effects
        Log time per token of the arms; none differs if not given.
    """
    in_block = steps * strata
    prompts = in_block if prompts is None else prompts
    dealt = np.argsort(chance.random((blocks, prompts)), axis=1)[:, :in_block]
    by_prompt = prompt_sd * chance.standard_normal((prompts, 1)) + interaction * chance.standard_normal((prompts, arms))
    stratum = np.repeat(np.arange(strata), steps)
    logs = noise(chance, blocks, in_block, arms) + by_prompt[dealt] + 0.4 * (stratum == 1)[:, np.newaxis]
    logs += BLOCK_SD * chance.standard_normal((blocks, 1, 1)) + (0 if effects is None else effects)
    tokens = chance.integers(40, 64, (blocks, in_block)).astype(np.float64)

    numerator = np.zeros((blocks, prompts, strata, arms))
    denominator = np.zeros_like(numerator)
    block, step = np.indices(dealt.shape)
    numerator[block, dealt, stratum[step]] = 20 * np.exp(logs) * tokens[:, :, np.newaxis]
    denominator[block, dealt, stratum[step]] = tokens[:, :, np.newaxis]
    return Sums(numerator, denominator)
