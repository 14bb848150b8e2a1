"""Under which conditions, and with how many threads, rounds are timed, and in which order."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from halospec.contention.loads import CpuLoad, Load, LoadKind
from halospec.contention.several import each_once
from halospec.contention.spelling import load_spelled, spelled
from halospec.recordings.types import QUIET

_AND = re.compile(rf"\+(?=(?:{'|'.join(LoadKind)}):)")
"""Between two loads: a command line may hold a + of its own, and a number, too."""


@dataclass(frozen=True)
class Condition:
    """What else the machine is doing: these loads, all at once; none: nothing."""

    loads: tuple[Load, ...] = ()

    @property
    def name(self) -> str:
        """The word for it in recordings: ``quiet``, ``cpu:2``, ``cpu:1+memory:4GB/s``."""
        return "+".join(map(_word, self.loads)) or QUIET


QUIET_MACHINE = Condition()


def burning(workers: int) -> Condition:
    """Return the condition in which so many burners each take all of a core."""
    return Condition((Load(CpuLoad(workers=workers)),))


def _word(load: Load) -> str:
    """Return how a load is called; plain burners as they have always been."""
    what = load.what
    is_plain = isinstance(what, CpuLoad) and load == Load(CpuLoad(workers=what.workers))
    return f"cpu:{what.workers}" if is_plain else spelled(load)


@dataclass(frozen=True)
class ThreadSetting:
    """Threads of the target's passes and of the draft's."""

    threads: int
    draft_threads: int


@dataclass(frozen=True)
class Visit:
    """One text under one condition with one setting of the threads.

    Attributes
    ----------
    prompt
        The place of its prompt in the set.
    after_change
        Whether the visit before it had another condition.
    """

    condition: Condition
    setting: ThreadSetting
    prompt: int
    after_change: bool


def parse_condition(word: str) -> Condition:
    """Read ``quiet``, or a load, or several with ``+`` between them, such as ``cpu:1+memory:4GB/s``.

    Raises
    ------
    ValueError
        If one of them is no load, or comes twice.
    """
    return QUIET_MACHINE if word == QUIET else Condition(each_once(map(load_spelled, _AND.split(word))))


def parse_setting(word: str) -> ThreadSetting:
    """Read ``TARGET:DRAFT``, such as ``2:1``.

    Raises
    ------
    ValueError
        If it is no such pair.
    """
    parts = word.split(":")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise ValueError(f"{word!r} is no setting of threads; give TARGET:DRAFT, such as 2:1.")
    return ThreadSetting(int(parts[0]), int(parts[1]))


def default_conditions(cores: int) -> tuple[Condition, ...]:
    """Return a quiet machine, one with a core taken, and one with all of them taken."""
    return (QUIET_MACHINE, *map(burning, sorted({1, cores})))


def default_settings(own: ThreadSetting) -> tuple[ThreadSetting, ...]:
    """Return the server's own setting, the same with one thread drafting, and one thread everywhere."""
    return tuple(dict.fromkeys((own, ThreadSetting(own.threads, 1), ThreadSetting(1, 1))))


def plan_visits(
    conditions: Sequence[Condition],
    settings: Sequence[ThreadSetting],
    *,
    repetitions: int,
    prompts: int,
    seed: int,
) -> tuple[Visit, ...]:
    """Visit every condition with every setting once in each repetition, in a random order of its own.

    Prompts take turns in a random order, so that one comes back only when all others have been.
    """
    chance = random.Random(seed)  # noqa: S311  # an order, no secret
    order = chance.sample(range(prompts), prompts)
    visits: list[Visit] = []
    before: Condition | None = None
    for _ in range(repetitions):
        cells = list(product(conditions, settings))
        chance.shuffle(cells)
        for condition, setting in cells:
            prompt = order[len(visits) % prompts]
            visits.append(Visit(condition, setting, prompt, after_change=condition != before))
            before = condition
    return tuple(visits)
