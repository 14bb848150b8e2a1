"""What telemetry costs: each source's CPU time at 10 readings a second, and what a server's tokens take beside it.

    .venv/bin/python benchmarks/telemetry_cost.py [--seconds 20] [--repetitions 12]

The first table reads each source that there is here, alone, in the rhythm of a run, and counts the CPU time of the
reading thread. Then the bundled server on the embedded pair is asked for the same text in turn with and without all of
them being read and kept as in a run; the ratio is the median of pairs, with the range of its middle half.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio

from halospec.clock import start_clock
from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, Message
from halospec.server_process import bundled_server
from halospec.telemetry.journal import TickJournal
from halospec.telemetry.opening import OpenSources, open_sources
from halospec.telemetry.protocol import Sampler, Surroundings
from halospec.telemetry.recorder import Recorder
from halospec.telemetry.sources import DEFAULT_HZ, Source

PROMPT = "Describe how bread is baked, step by step."
TOKENS = 64
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
    options.add_argument("--repetitions", type=int, default=12, help="pairs of texts")
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
            pairs = anyio.run(_ask_in_turn, url, opened, Path(scratch), given.repetitions)
    print(f"\n{beside_line(pairs)}")


def _cost(sampler: Sampler, seconds: float) -> Cost:
    took_ms = []
    began_s = time.monotonic()
    for reading in range(1, round(seconds * DEFAULT_HZ) + 1):
        before_s = time.thread_time()
        sampler.read()
        took_ms.append((time.thread_time() - before_s) * 1e3)
        time.sleep(max(0.0, began_s + reading / DEFAULT_HZ - time.monotonic()))
    lasted_ms = (time.monotonic() - began_s) * 1e3
    share = 100 * sum(took_ms) / lasted_ms
    return Cost(sampler.source, len(sampler.columns), statistics.median(took_ms), max(took_ms), share)


async def _ask_in_turn(url: str, opened: OpenSources, scratch: Path, repetitions: int) -> Sequence[tuple[float, float]]:
    """Return milliseconds per token without and with telemetry, in pairs."""
    rng = random.Random(1)
    clock = start_clock()
    fields = {"draft_length": DRAFT_LENGTH, "cache_prompt": False}
    request = ChatRequest((Message("user", PROMPT),), max_tokens=TOKENS, ignore_eos=True, fields=fields)
    pairs = []
    async with ChatEndpoint(f"{url}/v1", "bundled", clock, dialect=BUNDLED.dialect) as endpoint:
        await endpoint.complete(request, None)
        for repetition in range(repetitions):
            took_ms: dict[bool, float] = {}
            for watched in rng.sample((False, True), 2):
                with ExitStack() as stack:
                    if watched:
                        journal = TickJournal(scratch / f"{repetition}.jsonl")
                        stack.enter_context(Recorder(opened.samplers, journal, clock))
                    done = await endpoint.complete(request, None)
                    took_ms[watched] = (done.event_ns[-1] - done.event_ns[0]) / 1e6 / (TOKENS - 1)
            pairs.append((took_ms[False], took_ms[True]))
            print(f"{repetition + 1} of {repetitions} pairs", file=sys.stderr)
    return pairs


def costs_table(costs: Sequence[Cost]) -> str:
    """Lay the costs out in Markdown."""
    lines = [
        f"| source | columns | CPU of a reading | dearest | of a core at {DEFAULT_HZ:g} Hz |",
        "|---|" + "---:|" * 4,
    ]
    for cost in costs:
        cells = f"{cost.typical_ms:.2f} ms | {cost.worst_ms:.2f} ms | {cost.core_percent:.2f} %"
        lines.append(f"| {cost.source} | {cost.columns} | {cells} |")
    return "\n".join(lines)


def beside_line(pairs: Sequence[tuple[float, float]]) -> str:
    """Say what telemetry does to the time of a token."""
    without, with_it = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(watched / alone for alone, watched in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"Time per token, {len(pairs)} pairs: {without:.2f} ms without and {with_it:.2f} ms with telemetry;"
        f" ratio {middle:.3f} (middle half {low:.3f} to {high:.3f})."
    )


if __name__ == "__main__":
    main()
