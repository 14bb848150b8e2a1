"""What telemetry costs: each source's CPU time at 10 readings a second, and what a server's tokens take beside it.

    .venv/bin/python benchmarks/telemetry_cost.py [--seconds 20] [--repetitions 40]

The first table reads each source that there is here, alone, in the rhythm of a run, and counts the CPU time of the
reading thread. Then the bundled server on the embedded pair is asked for the same text in turn, without telemetry and
with all of it read and kept as in a run so often a second; a ratio is the median of pairs, with a bootstrap interval.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import numpy.typing as npt

from halospec.clock import start_clock
from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, Message
from halospec.server_process import bundled_server
from halospec.telemetry.journal import TickJournal
from halospec.telemetry.opening import OpenSources, open_sources
from halospec.telemetry.protocol import Sampler, Surroundings
from halospec.telemetry.recorder import Recorder
from halospec.telemetry.sources import Source

PROMPT = "Describe how bread is baked, step by step."
TOKENS = 64
RATE_HZ = 10.0
"""At which each source is read for the first table."""
RATES_HZ = (0.0, 5.0, 10.0)
"""Beside which texts are timed; 0 is no telemetry."""
_RESAMPLED = 4000
DRAFT_LENGTH = 4


@dataclass(frozen=True)
class Cost:
    """What reading one source takes.

    Attributes
    ----------
    typical_ms, worst_ms
        CPU time of a reading: the median, and the dearest.
    core_percent
        CPU time of all readings by the time that they went on for.
    """

    source: str
    columns: int
    typical_ms: float
    worst_ms: float
    core_percent: float


def main() -> None:
    """Measure both and print them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=20.0, help="that each source is read for")
    options.add_argument("--repetitions", type=int, default=40, help="texts at each rate")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ["--ctx-size", "512", "--log-level", "warning"]
        with (
            bundled_server(arguments, Path(scratch) / "server.log") as url,
            open_sources(tuple(Source), Surroundings(server_url=url)) as opened,
        ):
            print(costs_table([_cost(sampler, given.seconds) for sampler in opened.samplers]))
            for missing in opened.missing:
                print(f"{missing.source}: {missing.reason}.")
            took = anyio.run(_ask_in_turn, url, opened, Path(scratch), given.repetitions)
    print(f"\n{rates_table(took)}")


def _cost(sampler: Sampler, seconds: float) -> Cost:
    took_ms = []
    began_s = time.monotonic()
    for reading in range(1, round(seconds * RATE_HZ) + 1):
        before_s = time.thread_time()
        sampler.read()
        took_ms.append((time.thread_time() - before_s) * 1e3)
        time.sleep(max(0.0, began_s + reading / RATE_HZ - time.monotonic()))
    lasted_ms = (time.monotonic() - began_s) * 1e3
    share = 100 * sum(took_ms) / lasted_ms
    return Cost(sampler.source, len(sampler.columns), statistics.median(took_ms), max(took_ms), share)


async def _ask_in_turn(
    url: str, opened: OpenSources, scratch: Path, repetitions: int
) -> Mapping[float, Sequence[float]]:
    """Return milliseconds per token of each repetition, by how often telemetry was read meanwhile."""
    rng = random.Random(1)
    clock = start_clock()
    request = ChatRequest(
        (Message("user", PROMPT),), max_tokens=TOKENS, ignore_eos=True, fields={"draft_length": DRAFT_LENGTH}
    )
    took_ms: dict[float, list[float]] = {hz: [] for hz in RATES_HZ}
    async with ChatEndpoint(f"{url}/v1", "bundled", clock, dialect=BUNDLED.dialect) as endpoint:
        await endpoint.complete(request, None)
        for repetition in range(repetitions):
            for hz in rng.sample(RATES_HZ, len(RATES_HZ)):
                with ExitStack() as stack:
                    if hz:
                        journal = TickJournal(scratch / f"{repetition}-{hz:g}.jsonl")
                        stack.enter_context(Recorder(opened.samplers, journal, clock, hz=hz))
                    done = await endpoint.complete(request, None)
                    took_ms[hz].append((done.event_ns[-1] - done.event_ns[0]) / 1e6 / (TOKENS - 1))
            print(f"{repetition + 1} of {repetitions} repetitions", file=sys.stderr)
    return took_ms


def costs_table(costs: Sequence[Cost]) -> str:
    """Lay the costs out in Markdown."""
    lines = [
        f"| source | columns | CPU of a reading | dearest | of a core at {RATE_HZ:g} Hz |",
        "|---|" + "---:|" * 4,
    ]
    for cost in costs:
        cells = f"{cost.typical_ms:.2f} ms | {cost.worst_ms:.2f} ms | {cost.core_percent:.2f} %"
        lines.append(f"| {cost.source} | {cost.columns} | {cells} |")
    return "\n".join(lines)


def rates_table(took_ms: Mapping[float, Sequence[float]]) -> str:
    """Lay out what telemetry does to the time of a token, in Markdown."""
    lines = ["| telemetry | ms per token | ratio to none, 95 % interval |", "|---|---:|---:|"]
    alone = np.array(took_ms[0.0])
    for hz, took in took_ms.items():
        words = f"{hz:g} Hz" if hz else "none"
        ratio = "-" if not hz else "{:.3f} [{:.3f}, {:.3f}]".format(*median_with_interval(np.array(took) / alone))
        lines.append(f"| {words} | {statistics.median(took):.2f} | {ratio} |")
    return "\n".join(lines)


def median_with_interval(ratios: npt.NDArray[np.float64], seed: int = 1) -> tuple[float, float, float]:
    """Return a median and its 95 % interval, by resampling repetitions."""
    drawn = np.median(np.random.default_rng(seed).choice(ratios, (_RESAMPLED, len(ratios))), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


if __name__ == "__main__":
    main()
