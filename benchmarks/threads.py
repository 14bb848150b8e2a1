"""How many threads should decode? One and two, by draft length, on a quiet machine and beside CPU burners.

    .venv/bin/python benchmarks/threads.py [--repetitions 5]

One server on the embedded pair; the threads of both models are set by each request. Within a repetition all cells
have the same prompt and come in random order, quiet ones and those beside the burners (one per core, full share) in
blocks. Greedy, one client. A token's time is taken from the server's round log and, between the first token and the
last, by the client. Beside the burners single requests differ widely, so the worst is shown too. At k = 0 two settings
that differ in the draft's threads are one and the same: how far they are apart is what chance does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
from pydantic import BaseModel

from halospec.clock import start_clock
from halospec.contention.loads import CpuLoad, Load
from halospec.contention.together import injector_for
from halospec.server_process import bundled_server

LENGTHS = (0, 2, 4, 8)
PROMPTS = (
    "Explain why the sky is blue, in five sentences.",
    "Write down the first twelve multiples of seven, one on each line.",
    "Describe how bread is baked, step by step.",
    "Tell a short story about a lighthouse keeper and a gull.",
)
TOKENS = 48
QUIET, LOADED = "quiet", "load"


@dataclass(frozen=True)
class Threads:
    """Threads of the target's passes and of the draft model's."""

    target: int
    draft: int

    def __str__(self) -> str:
        return f"{self.target} / {self.draft}"


@dataclass(frozen=True)
class Cell:
    """One setting under one condition."""

    condition: str
    threads: Threads
    draft_length: int


@dataclass(frozen=True)
class TokenTime:
    """Milliseconds per token of one request."""

    by_rounds: float
    by_client: float


class _Round(BaseModel):
    accepted: int
    draft_us: float
    verify_us: float
    sample_us: float
    threads: int


class _Speculation(BaseModel):
    rounds: list[_Round]


class _Usage(BaseModel):
    completion_tokens: int


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta


class _Chunk(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None
    speculation: _Speculation | None = None


def main() -> None:
    """Measure every cell and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--seed", type=int, default=1, help="of the order")
    options.add_argument("--threads", default="1/1,2/2,2/1", help="target's and draft's threads, each a setting")
    options.add_argument("--burners", type=int, help="CPU burners; one per core if left out")
    given = options.parse_args()
    settings = [Threads(*map(int, setting.split("/"))) for setting in given.threads.split(",")]
    load = CpuLoad(workers=given.burners) if given.burners else CpuLoad()
    with tempfile.TemporaryDirectory() as scratch:
        most = max(max(setting.target, setting.draft) for setting in settings)
        arguments = ["--ctx-size", "512", "--threads", str(most), "--log-level", "warning"]
        with bundled_server(arguments, Path(scratch) / "server.log") as url:
            found = anyio.run(_measure_all, url, settings, load, given.repetitions, random.Random(given.seed))
    print(table(found, settings, load.workers))


async def _measure_all(
    url: str, settings: Sequence[Threads], load: CpuLoad, repetitions: int, rng: random.Random
) -> Mapping[Cell, Sequence[TokenTime]]:
    found: dict[Cell, list[TokenTime]] = defaultdict(list)
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=600.0) as client,
        injector_for((Load(load),), start_clock()) as injector,
    ):
        for setting in settings:
            await _decode(client, Cell(QUIET, setting, max(LENGTHS)), PROMPTS[0])
        for repetition in range(repetitions):
            prompt = PROMPTS[repetition % len(PROMPTS)]
            for condition in rng.sample((QUIET, LOADED), 2):
                if condition == LOADED:
                    await injector.start()
                cells = [Cell(condition, setting, k) for setting in settings for k in LENGTHS]
                for cell in rng.sample(cells, len(cells)):
                    found[cell].append(await _decode(client, cell, prompt))
                await injector.stop()
            print(f"{repetition + 1} of {repetitions} repetitions", file=sys.stderr)
    return found


async def _decode(client: httpx.AsyncClient, cell: Cell, prompt: str) -> TokenTime:
    """Let the server write a text and time it."""
    body = {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "draft_length": cell.draft_length,
        "drafter": "model",
        "threads": cell.threads.target,
        "draft_threads": cell.threads.draft,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    first_s = last_s = 0.0
    last: _Chunk | None = None
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            sys.exit(f"threads.py: the server answered {response.status_code}: {(await response.aread()).decode()}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            last = _Chunk.model_validate_json(line.removeprefix("data: "))
            if any(choice.delta.content for choice in last.choices):
                last_s = time.perf_counter()
                first_s = first_s or last_s
    if last is None or last.usage is None or last.speculation is None:
        sys.exit("threads.py: the server's stream ended without usage and rounds.")
    rounds = last.speculation.rounds
    if any(done.threads != cell.threads.target for done in rounds):
        sys.exit(f"threads.py: the server did not decode with {cell.threads.target} threads when asked to.")
    spent_us = sum(done.draft_us + done.verify_us + done.sample_us for done in rounds)
    return TokenTime(
        by_rounds=spent_us / 1e3 / sum(done.accepted + 1 for done in rounds),
        by_client=(last_s - first_s) * 1e3 / (last.usage.completion_tokens - 1),
    )


def table(found: Mapping[Cell, Sequence[TokenTime]], settings: Sequence[Threads], burners: int) -> str:
    """Lay the times out in Markdown: the median and, in brackets, the worst."""
    head = ["", "threads, target / draft", "ms per token by", *(f"k = {k}" for k in LENGTHS)]
    lines = [_row(head), _row(["---"] * len(head))]
    for condition, words in ((QUIET, "quiet"), (LOADED, f"{burners} burners")):
        for setting in settings:
            times = [found[Cell(condition, setting, k)] for k in LENGTHS]
            for by, values in (
                ("rounds", [[took.by_rounds for took in cell] for cell in times]),
                ("client", [[took.by_client for took in cell] for cell in times]),
            ):
                lines.append(_row([words, str(setting), by, *map(_median_and_worst, values)]))
    return "\n".join(lines)


def _median_and_worst(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({max(values):.1f})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
