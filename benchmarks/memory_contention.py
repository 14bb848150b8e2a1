"""What contention for memory does to a target's pass: F32 weights, by what else the machine is made to do.

    .venv/bin/python benchmarks/memory_contention.py [--repetitions 6] [--threads 1,2] [--out plots/contention]

Single-precision weights are read from memory at every pass, so that a pass has to share the memory's bandwidth with
whatever else runs. Loads come in random order within a repetition, the quiet machine among them; each time passes of
every width are timed in turn. A load takes a core as well as bandwidth: where the passes leave one free that costs them
nothing, and `cpu:1`, which computes and reads no memory, shows what is left of it. Ratios are medians of pairs within
repetitions, with a bootstrap interval over the repetitions.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import numpy as np
from anyio import to_thread

from embedded_pair import CORES, PROMPT
from halospec.clock import Clock, start_clock
from halospec.contention.spelling import load_spelled
from halospec.contention.together import injector_for
from halospec_server.llama import Context, Model, Piece
from halospec_server.model_files.embedded import embedded_file

QUIET = "quiet"
LOADS = ("cpu:1", "memory:1GB/s", "memory:2GB/s", "memory:4GB/s", "memory:8GB/s", "memory:100GB/s", "cache:8GB/s")
WIDTHS = (1, 5, 9)
_PASSES = 8
_RESAMPLED = 4000


@dataclass(frozen=True)
class Cell:
    """One width of a pass, with so many threads, under one load."""

    threads: int
    condition: str
    width: int


@dataclass(frozen=True)
class Timed:
    """A cell in one repetition: the median pass, and what the load did meanwhile, in its own unit."""

    pass_ms: float
    achieved: float | None


def main() -> None:
    """Measure every cell, print the table and keep what was measured."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=6)
    options.add_argument("--seed", type=int, default=1, help="of the order")
    options.add_argument("--threads", default=",".join(str(n) for n in sorted({1, CORES})), help="of the passes")
    options.add_argument("--loads", nargs="*", default=LOADS, help="as --inject spells them")
    options.add_argument("--out", type=Path, default=Path("plots/contention"))
    given = options.parse_args()
    threads = [int(number) for number in given.threads.split(",")]
    context = Context(Model(embedded_file("F32")), n_ctx=512, n_threads=max(threads), max_outputs=max(WIDTHS))
    found = anyio.run(_measure_all, context, threads, given.loads, given.repetitions, random.Random(given.seed))
    print(table(found, threads, given.loads))
    given.out.mkdir(parents=True, exist_ok=True)
    kept = [asdict(cell) | {"repetitions": [asdict(one) for one in timed]} for cell, timed in found.items()]
    (given.out / "memory.json").write_text(json.dumps(kept, indent=1) + "\n")


async def _measure_all(
    context: Context, threads: Sequence[int], loads: Sequence[str], repetitions: int, rng: random.Random
) -> Mapping[Cell, Sequence[Timed]]:
    found: dict[Cell, list[Timed]] = defaultdict(list)
    clock = start_clock()
    context.decode([Piece(0, [*PROMPT, *PROMPT[:24]], 0)])
    for repetition in range(repetitions):
        for count in rng.sample(threads, len(threads)):
            context.use_threads(count)
            for condition in rng.sample((QUIET, *loads), len(loads) + 1):
                for cell, timed in (await _under(condition, context, count, clock)).items():
                    found[cell].append(timed)
        print(f"{repetition + 1} of {repetitions} repetitions", file=sys.stderr)
    return found


async def _under(condition: str, context: Context, threads: int, clock: Clock) -> Mapping[Cell, Timed]:
    """Time all widths under one load."""
    loads = () if condition == QUIET else (load_spelled(condition),)
    async with injector_for(loads, clock) as injector:
        await injector.start()
        started_ns = clock()
        passes = await to_thread.run_sync(_pass_times, context)
        ended_ns = clock()
        did = [one.activity.amount(started_ns, ended_ns) for one in injector.injected]
    achieved = did[0] if did else None
    return {Cell(threads, condition, width): Timed(statistics.median(ms), achieved) for width, ms in passes.items()}


def _pass_times(context: Context) -> Mapping[int, Sequence[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    kept = context.lengths[0]
    for _ in range(_PASSES):
        for width in WIDTHS:
            started = time.perf_counter()
            context.decode([Piece(0, PROMPT[:width], width)])
            found[width].append((time.perf_counter() - started) * 1e3)
            context.truncate(0, kept)
    return found


def table(found: Mapping[Cell, Sequence[Timed]], threads: Sequence[int], loads: Sequence[str]) -> str:
    """Lay the times out in Markdown: milliseconds, and relative to the quiet machine with its 95 % interval."""
    lines = []
    for count in threads:
        head = [f"{count} thread{'s' if count > 1 else ''}", "achieved", *(f"b = {width}" for width in WIDTHS)]
        lines += [_row(head), _row(["---"] * len(head))]
        for condition in (QUIET, *loads):
            cells = [found[Cell(count, condition, width)] for width in WIDTHS]
            quiet = [found[Cell(count, QUIET, width)] for width in WIDTHS]
            times = [_against(*pair) for pair in zip(cells, quiet, strict=True)]
            lines.append(_row([condition, _achieved(condition, cells[0]), *times]))
        lines.append("")
    return "\n".join(lines)


def _achieved(condition: str, timed: Sequence[Timed]) -> str:
    did = [one.achieved for one in timed if one.achieved is not None]
    return f"{statistics.median(did):.1f} {load_spelled(condition).what.unit}" if did else "-"


def _against(timed: Sequence[Timed], quiet: Sequence[Timed]) -> str:
    median_ms = statistics.median(one.pass_ms for one in timed)
    ratios = np.array([one.pass_ms / beside.pass_ms for one, beside in zip(timed, quiet, strict=True)])
    if (ratios == 1).all():
        return f"{median_ms:.1f} ms"
    low, high = ratio_interval(ratios)
    return f"{median_ms:.1f} ms, × {np.median(ratios):.2f} [{low:.2f}, {high:.2f}]"


def ratio_interval(ratios: np.ndarray, seed: int = 1) -> tuple[float, float]:
    """Return the 95 % interval of a median ratio, by resampling repetitions."""
    rng = np.random.default_rng(seed)
    drawn = np.median(rng.choice(ratios, (_RESAMPLED, len(ratios))), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
