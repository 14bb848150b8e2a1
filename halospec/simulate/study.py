"""Many policies through many scenarios, each with many seeds: who comes how close to hindsight."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from halospec.controllers.protocol import MAX_DRAFT_LENGTH
from halospec.cores import available_cores
from halospec.recordings.types import Recording
from halospec.simulate.bins import Binned, binned, bins_of
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.findings import Study
from halospec.simulate.interrupts import children_born_deaf
from halospec.simulate.outcomes import Outcomes
from halospec.simulate.simulation import simulate
from halospec.simulate.types import Scenario, Simulated

Simulate = Callable[[Recording, Scenario, str, int], Simulated]


@dataclass(frozen=True)
class _Task:
    """One scenario with one seed, for every policy: what a process does at a time."""

    place: int
    scenario: Scenario
    seed: int


@dataclass(frozen=True)
class _Work:
    """What all tasks have in common."""

    recording: Recording
    spellings: tuple[str, ...]
    simulate: Simulate

    def done(self, task: _Task) -> tuple[Binned, ...]:
        bins = bins_of(task.scenario)
        return tuple(
            binned(self.simulate(self.recording, task.scenario, spelling, task.seed), bins)
            for spelling in self.spellings
        )


def study(
    recording: Recording,
    scenarios: Sequence[Scenario],
    spellings: Sequence[str],
    seeds: Sequence[int],
    *,
    processes: int | None = None,
    max_length: int = 8,
    contenders: Sequence[str] = (),
    others: Sequence[str] = (),
    tracked: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
    simulate: Simulate = simulate,
) -> Study:
    """Simulate every policy in every scenario with every seed, and compare it with what hindsight would have chosen.

    Parameters
    ----------
    spellings
        Policies; fixed draft lengths 0 to ``max_length`` are studied with them in any case, as references.
    processes
        How many simulate at a time; as many as there are cores if ``None``. Results do not depend on it.
    contenders, others
        Each of the former is compared with each of the latter, beside hindsight; both are added to the spellings.
    tracked
        Policies whose way through each scenario is kept, for charts; the best fixed draft length's always is.
    on_progress
        Told after each task how many are done, of how many.

    Raises
    ------
    ValueError
        If there is no seed or no scenario, or a spelling or a scenario cannot be simulated; the message says why.
    """
    if not seeds or not scenarios:
        raise ValueError("A study needs at least one seed and one scenario.")
    if not 0 <= max_length <= MAX_DRAFT_LENGTH:
        raise CannotSimulate(f"Fixed draft lengths go up to {MAX_DRAFT_LENGTH}, and {max_length} is no bound for them.")
    fixed = tuple(f"fixed_{k}" for k in range(max_length + 1))
    every = tuple(dict.fromkeys((*fixed, *spellings, *contenders, *others, *tracked)))
    work = _Work(recording, every, simulate)
    tasks = [_Task(place, scenario, seed) for place, scenario in enumerate(scenarios) for seed in seeds]
    results: dict[tuple[int, int], tuple[Binned, ...]] = {}
    for count, (task, result) in enumerate(_carried_out(work, tasks, processes or available_cores()), start=1):
        results[task.place, task.seed] = result
        if on_progress is not None:
            on_progress(count, len(tasks))
    return Study(
        pair=recording.pair,
        seeds=len(seeds),
        max_length=max_length,
        about=dict(recording.about),
        scenarios=tuple(
            Outcomes(scenario, every, len(fixed), [results[place, seed] for seed in seeds]).findings(
                contenders, others, tracked
            )
            for place, scenario in enumerate(scenarios)
        ),
    )


_work: _Work | None = None
"""In a process of the pool: what its tasks have in common, sent once."""


def _begin(work: _Work) -> None:
    global _work
    _work = work


def _done(task: _Task) -> tuple[Binned, ...]:
    if _work is None:
        raise RuntimeError("This process was not told what to simulate.")
    return _work.done(task)


def _carried_out(work: _Work, tasks: Sequence[_Task], processes: int) -> Iterator[tuple[_Task, tuple[Binned, ...]]]:
    """Yield tasks with their results, in the order in which they end."""
    if min(processes, len(tasks)) == 1:
        for task in tasks:
            yield task, work.done(task)
        return
    # Forked children would inherit locks that other threads hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(work,)) as pool:
        try:
            with children_born_deaf():
                under_way = {pool.submit(_done, task): task for task in tasks}
            for future in as_completed(under_way):
                yield under_way[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
