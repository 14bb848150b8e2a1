"""How often a run in which nothing differs is said to show something, by relabelling a recorded one.

    .venv/bin/python benchmarks/null_runs.py [--run plots/null/records.parquet] [--runs 1000] [--blocks 4,8,12]

The recorded run is a null experiment: every mode was decoded with the same draft length (`halospec serve
--pin-draft-length 2`). A simulated run takes some consecutive blocks of it and deals its trials to the modes anew, in
the way in which a plan does: at random within each block. What was measured, and when, stays as it was, so that
autocorrelation, drift, outliers and the differences between blocks are those of a real machine. In the second column
the trials of all blocks are shuffled among each other first, which leaves nothing but their spread.

A run has a finding if it would state any difference: to the reference, from the best fixed k, or by ruling out that a
mode is the best. Seeds are fixed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from halospec.analysis.comparisons import Comparisons, comparisons
from halospec.analysis.loading import read_run
from halospec.analysis.requests import Requests
from halospec.inference.proportions import wilson

RECORDED = Path("plots/null/records.parquet")
LEVEL = 0.05

Ints = npt.NDArray[np.int64]


def main() -> None:
    """Print the share of simulated runs with a finding, for several numbers of blocks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=RECORDED)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--blocks", default="4,8,12")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    recorded = null_requests(arguments.run)
    modes, phases = len(recorded.modes_here), len(recorded.phases_here)
    print(
        f"{len(recorded)} requests of {len(recorded.blocks_here)} blocks, {modes} modes, {phases} phases;"
        f" {arguments.runs} simulated runs a cell; a finding is to come in at most {100 * LEVEL:g} %"
    )
    print(f"{'blocks':>8}{'trials dealt anew':>24}{'and shuffled over blocks':>28}")
    for blocks in (int(text) for text in arguments.blocks.split(",")):
        if blocks > len(recorded.blocks_here):
            print(f"{blocks:>8}  the recorded run has {len(recorded.blocks_here)}")
            continue
        cells = [
            told(findings(recorded, blocks, arguments.runs, arguments.seed, shuffled=shuffled), arguments.runs)
            for shuffled in (False, True)
        ]
        print(f"{blocks:>8}{cells[0]:>24}{cells[1]:>28}", flush=True)


def null_requests(directory: Path) -> Requests:
    """Return the successful measured requests of a recorded run, with the times alone that verdicts rest on."""
    recorded = read_run(directory).requests.measured.successes
    unknown = np.full(len(recorded), np.nan)
    return replace(recorded, ttft_ms=unknown, latency_ms=unknown)


def findings(recorded: Requests, blocks: int, runs: int, seed: int, *, shuffled: bool) -> int:
    """Count the simulated runs that state a difference."""
    chances = (np.random.default_rng((seed, number)) for number in range(runs))
    return sum(
        states_a_difference(simulated(recorded, blocks, chance, shuffled=shuffled), number)
        for number, chance in enumerate(chances)
    )


def simulated(recorded: Requests, blocks: int, chance: np.random.Generator, *, shuffled: bool) -> Requests:
    """Return consecutive blocks of a recorded run, from a random one on, their trials dealt to the modes anew."""
    here = np.array(recorded.blocks_here)
    start = int(chance.integers(len(here)))
    taken = np.take(here, np.arange(start, start + blocks), mode="wrap")
    parts, labels, numbers = [], [], []
    for number, block in enumerate(taken, start=1):
        places = np.flatnonzero(recorded.block == block)
        parts.append(places)
        labels.append(dealt(recorded.mode[places], chance))
        numbers.append(np.full(len(places), number))
    places = np.concatenate(parts)
    run = replace(recorded.taken(places), mode=np.concatenate(labels), block=np.concatenate(numbers))
    return shuffled_over_blocks(run, chance) if shuffled else run


def dealt(modes: Ints, chance: np.random.Generator) -> Ints:
    """Return the modes of a block's requests with the names of its trials exchanged at random."""
    present = np.unique(modes)
    return np.asarray(chance.permutation(present)[np.searchsorted(present, modes)])


def shuffled_over_blocks(run: Requests, chance: np.random.Generator) -> Requests:
    """Exchange the measurements at one place of the plan (a prompt and a phase) between all trials that have it.

    What a block or a stretch of time had in common goes; each prompt keeps its own times.
    """
    decode_ms = run.decode_ms.copy()
    place = run.prompt * (run.phase.max() + 1) + run.phase
    for one in np.unique(place):
        those = np.flatnonzero(place == one)
        decode_ms[those] = chance.permutation(decode_ms[those])
    return replace(run, decode_ms=decode_ms)


def states_a_difference(run: Requests, seed: int) -> bool:
    """Whether anything is stated of a run."""
    found = comparisons(run, seed=seed)
    return found is not None and any_finding(found)


def any_finding(found: Comparisons) -> bool:
    """Whether comparisons hold a difference, a winner, or a mode that is not the best."""
    family = found.primary
    if family is None:
        return False
    against_best = any(row.to_best_fixed is not None and row.to_best_fixed.found for row in family.rows)
    return family.finds_anything or against_best or any(len(b.candidates) < len(b.modes) for b in family.best)


def told(count: int, runs: int) -> str:
    """Return a count with its share and Wilson's interval."""
    share = wilson(count, runs)
    return f"{count} ({100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}])"


if __name__ == "__main__":
    main()
