"""What will run, decided before the first request: trials, their order and their prompts, all from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from halospec.contention.loads import Load
from halospec.controllers.modes import Mode, UnknownMode, mode_named
from halospec.experiment.phases import PhasePlan, parse_phases
from halospec.workloads.prompts import CLASSIC_PROMPT, CLASSIC_STOP, Prompt

INTERLEAVED = "interleaved"
"""Stands for the mode of a trial in which several take turns."""

CLASSIC_MODES = (*(f"fixed_{k}" for k in range(1, 9)), "adaptive")
_CLASSIC_FIXED_STEPS = 10
_CLASSIC_ADAPTIVE_STEPS = 15
_CLASSIC_LOAD_START_STEP = 6
_CLASSIC_LOAD_SECONDS = 30.0


class Design(StrEnum):
    """How modes are spread over time.

    ``BLOCKED``: one trial of every mode in each block, in random order; a controller needs requests in a row.
    ``INTERLEAVED``: at each step every fixed k answers the same prompt, in random order; k alone differs between
    requests seconds apart.
    ``CLASSIC``: the original's fixed order.
    """

    BLOCKED = "blocked"
    INTERLEAVED = "interleaved"
    CLASSIC = "classic"


@dataclass(frozen=True)
class Trial:
    """One run through a phase plan.

    Attributes
    ----------
    mode
        `INTERLEAVED` where several modes take turns.
    together
        Those modes; empty for a trial of one mode.
    """

    block: int
    mode: str
    phases: PhasePlan
    together: tuple[str, ...] = ()

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that a step of this trial asks, one request each."""
        return self.together or (self.mode,)


@dataclass(frozen=True)
class Pauses:
    """Rests, in seconds; ``between_trials_s`` lets the machine cool down."""

    after_warmup_s: float = 0.0
    after_step_s: float = 0.0
    between_trials_s: float = 0.0


@dataclass(frozen=True)
class Sampling:
    """How every request of the run asks for its tokens."""

    max_tokens: int = 64
    temperature: float = 0.0
    ignore_eos: bool = False


@dataclass(frozen=True)
class Plan:
    """A whole run: all that is sent, and when.

    Attributes
    ----------
    prompts
        Each block deals them anew in an order of its own; within a block step i has the same prompt in every mode.
    warmup
        Requests before a trial's measured steps; of every mode where several take turns.
    preload
        Requests before the first trial, so that it does not meet a machine at rest.
    loads
        What is put on the machine in the load phases, all of it together; empty without load.
    """

    trials: tuple[Trial, ...]
    prompts: tuple[Prompt, ...]
    warmup: int
    stop: tuple[str, ...] = ()
    pauses: Pauses = Pauses()
    design: Design = Design.BLOCKED
    seed: int = 1
    sampling: Sampling = Sampling()
    preload: int = 0
    loads: tuple[Load, ...] = ()

    def prompt_at(self, block: int, step: int) -> Prompt:
        """Return the prompt of a measured step; both count from 1."""
        return self.prompts[self._deck(block)[(step - 1) % len(self.prompts)]]

    def warmup_prompt_at(self, block: int, number: int) -> Prompt:
        """Return the prompt of a warm-up request, from the end of the block's order.

        A server that caches prompts should not know the first measured ones from the warm-up.
        """
        return self.prompts[self._deck(block)[-number % len(self.prompts)]]

    def order_at(self, trial: Trial, step: int) -> tuple[str, ...]:
        """Return the order in which a trial's modes are asked at a step."""
        if len(trial.modes) == 1:
            return trial.modes
        order = random.Random(f"{self.seed}/order/{trial.block}/{step}")  # noqa: S311  # an order, not a secret
        return tuple(order.sample(trial.modes, len(trial.modes)))

    @property
    def modes(self) -> tuple[str, ...]:
        """Every mode that runs, once."""
        return tuple(dict.fromkeys(mode for trial in self.trials for mode in trial.modes))

    @property
    def blocks(self) -> int:
        """How many there are."""
        return max(trial.block for trial in self.trials)

    @property
    def request_count(self) -> int | None:
        """Requests in the plan, warm-up included; None where time decides."""
        counts = [requests_in(trial, self.warmup) for trial in self.trials]
        return None if None in counts else self.preload + sum(count or 0 for count in counts)

    def with_blocks(self, blocks: int) -> Plan:
        """Return the same plan continued to so many blocks, or cut to them; what both have in common is equal."""
        trials = [trial for trial in self.trials if trial.block <= blocks]
        model = [trial for trial in self.trials if trial.block == 1]
        for block in range(self.blocks + 1, blocks + 1):
            trials += _block(block, model, self.design, self.seed)
        return replace(self, trials=tuple(trials))

    def _deck(self, block: int) -> tuple[int, ...]:
        return _dealt(len(self.prompts), self.seed, block)


def can_take_turns(mode: Mode) -> bool:
    """Tell whether a mode does the same whatever other modes are asked between its requests."""
    return len(mode.lengths) == 1 and not mode.in_server


def requests_in(trial: Trial, warmup: int) -> int | None:
    """Return how many requests a trial has, warm-up included; None where time decides."""
    return None if trial.phases.steps is None else (trial.phases.steps + warmup) * len(trial.modes)


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
    first = [Trial(1, mode, phases) for mode in modes]
    trials = tuple(_block(1, first, Design.BLOCKED, seed))
    return Plan(trials, tuple(prompts), warmup, design=Design.BLOCKED, seed=seed).with_blocks(blocks)


def interleaved_plan(
    modes: Sequence[str], phases: PhasePlan, prompts: Sequence[Prompt], *, blocks: int, warmup: int, seed: int
) -> Plan:
    """Return one trial a block, in which all modes take turns at every step.

    Raises
    ------
    UnknownMode
        If a mode has no rule behind it, or one that needs requests in a row.
    """
    for mode in modes:
        if not can_take_turns(mode_named(mode)):
            raise UnknownMode(
                f"Mode {mode} may learn from request to request and cannot take turns; leave it out of an interleaved"
                " plan, or use --design blocked."
            )
    trials = (Trial(1, INTERLEAVED, phases, together=tuple(modes)),)
    return Plan(trials, tuple(prompts), warmup, design=Design.INTERLEAVED, seed=seed).with_blocks(blocks)


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
        design=Design.CLASSIC,
    )


def _block(block: int, like: Sequence[Trial], design: Design, seed: int) -> list[Trial]:
    """Return a block with the trials of another, in an order of its own."""
    trials = sorted((replace(trial, block=block) for trial in like), key=lambda trial: trial.mode)
    if design is Design.CLASSIC:
        return [replace(trial, block=block) for trial in like]
    order = random.Random(f"{seed}/modes/{block}")  # noqa: S311  # an order of trials, not a secret
    return order.sample(trials, len(trials))


@lru_cache(maxsize=256)
def _dealt(prompts: int, seed: int, block: int) -> tuple[int, ...]:
    order = random.Random(f"{seed}/prompts/{block}")  # noqa: S311  # an order of prompts, not a secret
    return tuple(order.sample(range(prompts), prompts))
