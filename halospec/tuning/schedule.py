"""Who is asked what: each round of a search as plans that the runner of every experiment carries out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from halospec.contention.loads import Load
from halospec.experiment.phases import PhasePlan, parse_phases
from halospec.experiment.plan import INTERLEAVED, Design, Plan, Sampling, Trial
from halospec.tuning.halving import RoundSize
from halospec.workloads.prompts import Prompt

LEAST_FOR_FRESH_PROMPTS = 6
"""With fewer prompts the last round has to use those on which the choice was made."""
_FINAL_SHARE = 2 / 3


@dataclass(frozen=True)
class Schedule:
    """The prompts of a search, and how it asks.

    Attributes
    ----------
    rehearsal
        For every round but the last.
    final
        For the last round.
    is_fresh
        Whether the last round's prompts took no part in the choice of those that got there; only then does having been
        chosen flatter none of them.
    switching
        Whether the server is brought to each k by a reload or a restart.
    """

    rehearsal: tuple[Prompt, ...]
    final: tuple[Prompt, ...]
    is_fresh: bool
    switching: bool
    seed: int
    sampling: Sampling
    loads: tuple[Load, ...]

    def plans(self, size: RoundSize, lengths: Sequence[int], *, first_block: int) -> tuple[Plan, ...]:
        """Return a round's plans, one for each of its passes, which is a block.

        Where k may change with each request, all k answer a prompt before the next one comes, in random order;
        otherwise each k answers the prompts of a pass in a row, the k's in random order.
        """
        dealt = self._prompts(size)
        passes = [
            [dealt[step - 1] for step in range(1, size.prompts + 1) if size.pass_of(step) == number]
            for number in range(1, size.passes + 1)
        ]
        modes = tuple(f"fixed_{length}" for length in lengths)
        return tuple(self._plan(first_block + at, modes, prompts, size.warmup) for at, prompts in enumerate(passes))

    def _prompts(self, size: RoundSize) -> list[Prompt]:
        """Return the prompts of a round in order, each as often as any other if there are too few."""
        deck = self.final if size.is_last else self.rehearsal
        times = -(-size.prompts // len(deck))
        order = random.Random(f"{self.seed}/round/{size.number}")  # noqa: S311  # an order of prompts, not a secret
        return [prompt for _ in range(times) for prompt in order.sample(deck, len(deck))][: size.prompts]

    def _plan(self, block: int, modes: tuple[str, ...], prompts: Sequence[Prompt], warmup: int) -> Plan:
        phases = self._phases(len(prompts))
        if not self.switching:
            trials = [Trial(block, INTERLEAVED, phases, together=modes)]
        else:
            order = random.Random(f"{self.seed}/modes/{block}")  # noqa: S311  # an order of trials, not a secret
            trials = [Trial(block, mode, phases) for mode in order.sample(modes, len(modes))]
        design = Design.BLOCKED if self.switching else Design.INTERLEAVED
        plan = Plan(tuple(trials), tuple(prompts), warmup, design=design, seed=self.seed, sampling=self.sampling)
        return replace(plan, loads=self.loads)

    def _phases(self, steps: int) -> PhasePlan:
        return parse_phases(f"{'load' if self.loads else 'steady'}:{steps}")


def schedule(
    prompts: Sequence[Prompt],
    sizes: Sequence[RoundSize],
    *,
    switching: bool,
    seed: int,
    sampling: Sampling | None = None,
    loads: tuple[Load, ...] = (),
) -> Schedule:
    """Deal the prompts: those of the last round are kept for it, unless there are too few for that.

    Where the first round is the last, nothing was chosen before it, and it may use them all.
    """
    dealt = random.Random(f"{seed}/prompts").sample(list(prompts), len(prompts))  # noqa: S311  # an order, not a secret
    is_fresh = len(sizes) == 1 or len(dealt) >= LEAST_FOR_FRESH_PROMPTS
    rehearsal = final = tuple(dealt)
    if len(sizes) > 1 and is_fresh:
        kept = min(sizes[-1].prompts, int(_FINAL_SHARE * len(dealt)))
        rehearsal, final = tuple(dealt[kept:]), tuple(dealt[:kept])
    return Schedule(rehearsal, final, is_fresh, switching, seed, sampling or Sampling(), loads)
