"""What it costs to summarise a large run: halospec's own way from Parquet, and a plain pass with pandas beside it.

    .venv/bin/python benchmarks/analysis.py [--records 500000] [--repetitions 5]

The records are made of seeded random numbers, in the real schema and with a log of every round: nothing is measured
here but the analysis. Both ways run in turns, each in a process of its own that starts with nothing loaded; times are
those of the whole process, imports included. `halospec` prints everything that `halospec summarize` prints; `pandas`
reads the file whole and computes the tables' main numbers and acceptance by position.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MODES = (*(f"fixed_{k}" for k in range(9)), "adaptive")
PHASES = ("steady", "load", "recovery")
STEPS = 100
"""Measured requests of a trial; the second third of them under load."""
PROMPTS = 30
TOKENS = 32
ACCEPTED = 0.8
"""Chance of each drafted token to be kept."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_s: float
    peak_mib: float


def make(path: Path, records: int, seed: int = 1) -> None:
    """Write so many records as blocks of all modes, a row group at a time."""
    import pyarrow.parquet as pq

    from halospec.records.parquet import ROWS_PER_GROUP, record_schema

    random = np.random.default_rng(seed)
    with pq.ParquetWriter(path, record_schema()) as writer:
        for start in range(0, records, ROWS_PER_GROUP):
            writer.write_table(_group(random, np.arange(start, min(start + ROWS_PER_GROUP, records))))


def _group(random: np.random.Generator, number: Ints) -> Any:
    """Return the records of these numbers as a table: blocks, in them the modes, in them the steps."""
    import pyarrow as pa

    from halospec.records.parquet import record_schema

    size = len(number)
    step, trial = number % STEPS, number // STEPS
    mode, block = trial % len(MODES), trial // len(MODES)
    phase = step * len(PHASES) // STEPS
    k = np.where(mode < len(MODES) - 1, mode, 1 + (step // 7) % 8)
    lengths, round_k, accepted = _rounds(random, k)
    verify_us = (9_000 + 900 * round_k) * random.lognormal(0, 0.1, len(round_k))
    draft_us = 800 * round_k * random.lognormal(0, 0.1, len(round_k))
    slow = np.where(phase == 1, 2.0, 1.0) * np.exp(0.05 * np.sin(block))
    totals = np.add.reduceat(np.stack([round_k, accepted]), np.cumsum(lengths) - lengths, axis=1)
    round_ms = np.add.reduceat(verify_us + draft_us, np.cumsum(lengths) - lengths) / 1000
    ttft_ms = 60 * slow * random.lognormal(0, 0.1, size)
    latency_ms = ttft_ms + round_ms * slow
    started_ns = number * 1_000_000_000
    succeeded = random.random(size) > 0.002

    def where_succeeded(values: npt.NDArray[Any]) -> Any:
        return pa.array(values, mask=~succeeded)

    texts = [f"{value:064x}" for value in range(PROMPTS)]
    prompt = (step * 7 + block) % PROMPTS
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    schema = record_schema()
    round_type = schema.field("round_log").type
    rounds = {"k": round_k, "accepted": accepted, "draft_us": draft_us, "verify_us": verify_us}
    parts = [pa.array(rounds.get(part.name, np.zeros(len(round_k)))).cast(part.type) for part in round_type.value_type]
    known: dict[str, Any] = {
        "mode": _named(mode, MODES),
        "phase": _named(phase, PHASES),
        "step": step + 1,
        "global_step": number + 1,
        "block": block + 1,
        "prompt_id": _named(prompt, [f"prompt-{n}" for n in range(PROMPTS)]),
        "draft_length": k,
        "drafted": where_succeeded(totals[0]),
        "accepted": where_succeeded(totals[1]),
        "rounds": where_succeeded(lengths),
        "round_log": pa.ListArray.from_arrays(
            offsets, pa.StructArray.from_arrays(parts, fields=list(round_type.value_type)), type=round_type
        ),
        "cached_tokens": where_succeeded(np.zeros(size, np.int64)),
        "load_overlap": np.where(phase == 1, 1.0, 0.0),
        "load_percent": pa.array(random.normal(90, 3, size), mask=phase != 1),
        "success": succeeded,
        "error": pa.array(np.where(succeeded, "", "HTTP 500"), pa.string(), mask=succeeded).dictionary_encode(),
        "attempts": np.ones(size, np.int64),
        "latency_ms": latency_ms,
        "ttft_ms": where_succeeded(ttft_ms),
        "prompt_tokens": 40 + prompt,
        "completion_tokens": where_succeeded(np.full(size, TOKENS)),
        "started_ns": started_ns,
        "first_token_ns": where_succeeded(started_ns + (ttft_ms * 1e6).astype(np.int64)),
        "ended_ns": started_ns + (latency_ms * 1e6).astype(np.int64),
        "event_ms": pa.ListArray.from_arrays(offsets, pa.array(np.repeat(ttft_ms, lengths) + verify_us / 1000)),
        "text_sha256": pa.DictionaryArray.from_arrays(pa.array(prompt, pa.int32(), mask=~succeeded), texts),
        "tokens_from": _named(np.zeros(size, np.int64), ["usage"]),
        "drafted_from": _named(np.zeros(size, np.int64), ["speculation"]),
        "placebo": np.zeros(size, np.bool_),
        "trial_attempt": np.ones(size, np.int64),
        "void": np.zeros(size, np.bool_),
    }
    columns = [
        pa.nulls(size, field.type) if field.name not in known else _of_type(known[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _rounds(random: np.random.Generator, k: Ints) -> tuple[Ints, Ints, Ints]:
    """Return how many rounds each request needs for its tokens, and of each round what it drafted and kept."""
    kept = np.minimum(random.geometric(1 - ACCEPTED, (len(k), TOKENS)) - 1, k[:, None])
    after = np.cumsum(kept + 1, axis=1)
    is_made = after - (kept + 1) < TOKENS
    kept -= np.maximum(np.where(is_made, after - TOKENS, 0), 0)
    return is_made.sum(axis=1), np.broadcast_to(k[:, None], kept.shape)[is_made], kept[is_made]


def _named(indices: Ints, names: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), list(names))


def _of_type(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if array.type == kind else array.cast(kind)


def summarise(path: Path) -> None:
    """Print what ``halospec summarize`` prints of the file."""
    from halospec.analysis.loading import read_run
    from halospec.analysis.summary import summarize_run
    from halospec.analysis.tables import summary_text

    print(summary_text(summarize_run(read_run(path))))


def naive(path: Path) -> None:
    """Print the main numbers as one would compute them at a prompt: the whole file, groups, a function for each."""
    import pandas as pd

    frame = pd.read_parquet(path)
    frame = frame[frame["success"] & ~frame["void"]]

    def describe(group: pd.DataFrame) -> pd.Series[float]:
        latency: pd.Series[float] = group["latency_ms"]
        decode_ms = (group["ended_ns"] - group["first_token_ns"]) / 1e6
        return pd.Series(
            {
                "n": len(group),
                "mean_ms": latency.mean(),
                "median_ms": latency.median(),
                "p95_ms": np.quantile(latency, 0.95, method="inverted_cdf"),
                "sd_ms": latency.std(ddof=0),
                "tpot_ms": decode_ms.sum() / (group["completion_tokens"] - 1).sum(),
                "ttft_ms": group["ttft_ms"].mean(),
                "acceptance": group["accepted"].sum() / group["drafted"].sum() if group["drafted"].sum() else None,
            }
        )

    def hazard(logs: pd.Series[Any], position: int) -> float | None:
        reached = sum(one["k"] >= position and one["accepted"] >= position - 1 for log in logs for one in log)
        kept = sum(one["accepted"] >= position for log in logs for one in log)
        return kept / reached if reached else None

    print(frame.groupby("mode", observed=True).apply(describe).to_string())
    print(frame.groupby(["mode", "phase"], observed=True).apply(describe).to_string())
    for mode, logs in frame.groupby("mode", observed=True)["round_log"]:
        print(mode, [hazard(logs, position) for position in range(1, 9)])


WAYS: dict[str, Callable[[Path], None]] = {"halospec": summarise, "pandas": naive}


def cost_of(*arguments: str) -> Cost:
    """Run this program with the arguments in a new process, and return what that took.

    A process starts with the peak of the one that started it, so that one must stay small itself: it loads no records.
    """
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"analysis.py: {' '.join(arguments)} ended with exit code {child.returncode}.")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall_s, used.ru_maxrss * unit / 2**20)


def in_turns(path: Path, repetitions: int) -> dict[str, list[Cost]]:
    """Run every way so often, in turns and in alternating order."""
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for repetition in range(repetitions):
        for way in list(WAYS) if repetition % 2 == 0 else reversed(WAYS):
            costs[way].append(cost_of("--way", way, "--file", str(path)))
    return costs


def table(costs: dict[str, list[Cost]]) -> str:
    """Return medians, ranges and ratios as text."""
    base = statistics.median(cost.wall_s for cost in costs["halospec"])
    lines = [f"{'':<10} {'seconds':>8} {'(range)':>15} {'ratio':>7} {'peak MiB':>9}"]
    for way, found in costs.items():
        walls = [cost.wall_s for cost in found]
        span = f"({min(walls):.2f}-{max(walls):.2f})"
        peak = statistics.median(cost.peak_mib for cost in found)
        middle = statistics.median(walls)
        lines.append(f"{way:<10} {middle:>8.2f} {span:>15} {middle / base:>7.2f} {peak:>9.0f}")
    return "\n".join(lines)


def main() -> None:
    """Make the records, run both ways in turns and print the table; or be one of the processes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=500_000)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--way", choices=[*WAYS, "make"], help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.way == "make":
        make(chosen.file, chosen.records)
    elif chosen.way:
        WAYS[chosen.way](chosen.file)
    else:
        with tempfile.TemporaryDirectory(prefix="halospec-analysis-") as directory:
            path = Path(directory) / "records.parquet"
            cost_of("--way", "make", "--file", str(path), "--records", str(chosen.records))
            print(f"{chosen.records} records, {path.stat().st_size / 2**20:.0f} MiB of Parquet; medians of processes")
            print(table(in_turns(path, chosen.repetitions)))


if __name__ == "__main__":
    main()
