"""What will run, decided before the first request: blocks of trials, seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from halospec.controllers.modes import UnknownMode, mode_named
from halospec.experiment.phases import PhasePlan, parse_phases
from halospec.workloads.prompts import CLASSIC_PROMPT, CLASSIC_STOP, Prompt

CLASSIC_MODES = (*(f"fixed_{k}" for k in range(1, 9)), "adaptive")
_CLASSIC_FIXED_STEPS = 10
_CLASSIC_ADAPTIVE_STEPS = 15
_CLASSIC_LOAD_START_STEP = 6
_CLASSIC_LOAD_SECONDS = 30.0


@dataclass(frozen=True)
class Trial:
    """One mode, run once through a phase plan."""

    block: int
    mode: str
    phases: PhasePlan


@dataclass(frozen=True)
class Pauses:
    """Rests between requests, in seconds."""

    after_warmup_s: float = 0.0
    after_step_s: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A whole run.

    Attributes
    ----------
    prompts
        Step i of a trial in block b sends prompt i + b − 1, from the start again when they are used up: within a
        block the modes are paired by prompt, and over the blocks every prompt comes to every phase.
    warmup
        Requests before a trial's measured steps.
    """

    trials: tuple[Trial, ...]
    prompts: tuple[Prompt, ...]
    warmup: int
    stop: tuple[str, ...] = ()
    pauses: Pauses = Pauses()

    def prompt_at(self, block: int, step: int) -> Prompt:
        """Return the prompt of a measured step; both count from 1."""
        return self.prompts[(step + block - 2) % len(self.prompts)]

    def warmup_prompt_at(self, block: int, number: int) -> Prompt:
        """Return the prompt of a warm-up request, backwards from the one before step 1's.

        A server that caches prompts should not know the first measured ones from the warm-up.
        """
        return self.prompts[(block - 1 - number) % len(self.prompts)]

    @property
    def request_count(self) -> int | None:
        """Requests in the plan, warm-up included; None where time decides."""
        steps = [trial.phases.steps for trial in self.trials]
        return None if None in steps else sum(s or 0 for s in steps) + self.warmup * len(self.trials)


def blocked_plan(
    modes: Sequence[str], phases: PhasePlan, prompts: Sequence[Prompt], *, blocks: int, warmup: int, seed: int
) -> Plan:
    """Return blocks of one trial a mode, the modes in random order within each block.

    Raises
    ------
    UnknownMode
        If a mode has no rule behind it.
    """
    for mode in modes:
        mode_named(mode)
    order = random.Random(seed)  # noqa: S311  # an order of trials, not a secret
    trials: list[Trial] = []
    for block in range(1, blocks + 1):
        trials += [Trial(block, mode, phases) for mode in order.sample(list(modes), len(modes))]
    return Plan(trials=tuple(trials), prompts=tuple(prompts), warmup=warmup)


def classic_plan(*, load: bool, warmup: int, modes: Sequence[str] = CLASSIC_MODES) -> Plan:
    """Return the original's experiment to the letter, with its faults: a fixed order, one prompt, load on one mode.

    Its results can be set beside the original's; they do not support a comparison of its modes.

    Raises
    ------
    UnknownMode
        If a mode is not one of the original's.
    """
    foreign = sorted(set(modes) - set(CLASSIC_MODES))
    if foreign:
        raise UnknownMode(f"The original had no mode {foreign[0]!r}; it had {', '.join(CLASSIC_MODES)}.")
    fixed = parse_phases(f"steady:{_CLASSIC_FIXED_STEPS}")
    quiet = parse_phases(f"steady:{_CLASSIC_ADAPTIVE_STEPS}")
    loaded = quiet.with_load(_CLASSIC_LOAD_START_STEP, _CLASSIC_LOAD_SECONDS)
    return Plan(
        trials=tuple(
            Trial(1, mode, fixed if mode != "adaptive" else loaded if load else quiet)
            for mode in CLASSIC_MODES
            if mode in modes
        ),
        prompts=(CLASSIC_PROMPT,),
        warmup=warmup,
        stop=(CLASSIC_STOP,),
        pauses=Pauses(after_warmup_s=1.0, after_step_s=2.0),
    )
