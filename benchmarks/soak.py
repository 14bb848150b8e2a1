"""Does the server stay whole when it is used hard for long? Mixed requests, refusals, departures; then a look inside.

    .venv/bin/python benchmarks/soak.py [--minutes 10] [--tiny | --url http://127.0.0.1:8123]

More clients than the server takes at once send completions with every draft length, drafter and sampling setting, whole
and streamed; they read slowly, leave in the middle and in the queue, and send what is no request at all. Afterwards the
idle server is examined. What is sent follows from the seed; what happens to it depends on timing as well. The exit
status is 1 if any check fails.

--tiny is a smoke test of a minute or two: in so small a process what the n-gram store learns, up to its own bound of
some 30 MB, comes to more than 5 % in a long run.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
from anyio import to_thread

import soak_checks as checks
from soak_canaries import Canaries
from soak_checks import Check, Sample
from soak_client import Outcome, SoakClient, connected
from soak_requests import MAX_BODY_BYTES, Knobs, draw_call, draw_knobs, long_reply, too_long
from soak_server import SoakedServer, started

IDLE_TIMEOUT_S = 60.0
SETTLE_S = 10.0
"""Of traffic before anything is counted: threads and buffers that are made once are there then."""
WARM_UP_S = 60.0
GRACE_S = 10.0
"""That the server gives requests under way when it is told to stop; ending them may take a little longer."""
ENDING_S = 5.0
STANDBY_S = 11.0
"""Longer than an idle worker thread of anyio's waits for more to do."""
UNDER_WAY_S = 0.3
TOO_MANY_FAULTS = 100
_RUBBISH_SHARE, _CANARY_SHARE = 0.03, 0.10


@dataclass(frozen=True)
class Options:
    """What the command line decides."""

    minutes: float
    clients: int
    seed: int
    parallel: int
    max_queue: int


@dataclass
class Ledger:
    """Everything that was answered."""

    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    canaries: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """All requests."""
        return sum(count for (_, column), count in self.cells.items() if column == "sent")

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.cells[outcome.kind, "sent"] += 1
        if outcome.status is not None:
            self.statuses[outcome.status] += 1
            self.cells[outcome.kind, str(outcome.status)] += 1
        if outcome.left:
            self.cells[outcome.kind, "left"] += 1
        if outcome.closed:
            self.cells[outcome.kind, "closed"] += 1
        if outcome.fault is not None:
            self.cells[outcome.kind, "wrong"] += 1
            self.faults.append(f"{outcome.kind}: {outcome.fault}")

    def table(self) -> str:
        """Lay the counts out, a row a kind."""
        columns = ["sent", *sorted({column for _, column in self.cells if column.isdigit()}), "left", "closed", "wrong"]
        kinds = sorted({kind for kind, _ in self.cells}, key=lambda kind: (":" in kind, kind))
        lines = [f"{'':>32}" + "".join(f"{column:>8}" for column in columns)]
        lines += [
            f"{kind:>32}" + "".join(f"{self.cells[kind, column] or '':>8}" for column in columns) for kind in kinds
        ]
        return "\n".join(lines)


def main() -> None:
    """Soak a server and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--clients", type=int, default=12)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--parallel", type=int, default=4, help="sequences that the server decodes together")
    options.add_argument("--max-queue", type=int, default=4, help="requests that may wait in the server")
    options.add_argument("--tiny", action="store_true", help="serve the tests' random-weight pair: a smoke test")
    options.add_argument(
        "--url",
        help=f"soak this server, started with --max-body-bytes {MAX_BODY_BYTES}; its process is not looked into",
    )
    options.add_argument("--log", type=Path, help="where the server's log goes; a temporary file if left out")
    given = options.parse_args()
    chosen = Options(given.minutes, given.clients, given.seed, given.parallel, given.max_queue)
    with tempfile.TemporaryDirectory() as scratch, _server(given, Path(scratch)) as server:
        try:
            verdicts = anyio.run(soak, server, chosen)
        except httpx.HTTPError as error:
            sys.exit(f"soak.py: {server.url} no longer answers ({error!r}).\n{server.last_words()}")
        for verdict in verdicts:
            word = {True: "ok", False: "FAILED", None: "-"}[verdict.passed]
            print(f"{word:>8}  {verdict.name:<24} {verdict.found}")
        if any(verdict.passed is False for verdict in verdicts):
            sys.exit(server.last_words() or 1)


@contextmanager
def _server(given: argparse.Namespace, scratch: Path) -> Iterator[SoakedServer]:
    if given.url is not None:
        yield SoakedServer(given.url)
        return
    arguments = ["--parallel", str(given.parallel), "--max-queue", str(given.max_queue)]
    arguments += ["--max-body-bytes", str(MAX_BODY_BYTES), "--log-level", "warning"]
    arguments += ["--shutdown-grace", str(GRACE_S)]
    if given.tiny:
        sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
        from tiny_models import write_tiny_pair

        target, draft = write_tiny_pair(scratch)
        # Its tokens are bytes and syllables: the same prompts are several times as long.
        arguments += ["--target", str(target), "--draft", str(draft), "--ctx-size", "2048"]
    else:
        arguments += ["--ctx-size", "1024"]
    with started(arguments, given.log or scratch / "server.log") as server:
        yield server


async def soak(server: SoakedServer, options: Options) -> list[Check]:
    """Run the whole soak, print the table of requests and return the verdicts."""
    async with connected(server.url, 1) as client:
        canaries = await Canaries.choose(client)
    await _traffic(server, options, canaries, SETTLE_S, seed=f"{options.seed} settling")
    settled = await _at_rest(server, canaries)
    duration_s = options.minutes * 60
    ledger, samples = await _traffic(server, options, canaries, duration_s, seed=f"{options.seed}")
    idle = await _at_rest(server, canaries)
    slots, metrics = server.slots(), server.metrics()
    async with connected(server.url, 1) as client:
        alone = await canaries.at_every_length(client)
    print(f"{options.minutes:g} min, seed {options.seed}, {options.clients} clients; the server takes "
          f"{options.parallel} at once and lets {options.max_queue} wait")  # fmt: skip
    print(ledger.table())
    print(f"\n{len(canaries.texts)} canaries; their closest decision is a lead of {canaries.clearest:.3f} nats\n")
    return [
        checks.check_answers(ledger.sent, ledger.faults),
        checks.check_refusals(ledger.statuses),
        checks.check_canaries("greedy texts, crowded", canaries.texts, ledger.canaries),
        checks.check_canaries("greedy texts, every k", canaries.texts, alone),
        checks.check_slots(slots),
        checks.check_nothing_in_hand(metrics),
        *checks.check_memory(samples, min(WARM_UP_S, duration_s / 4)),
        *checks.check_back_at_idle(settled, idle),
        Check("still answers", server.answers(), "GET /health"),
        *await _ended(server),
    ]


async def _traffic(
    server: SoakedServer, options: Options, canaries: Canaries, duration_s: float, seed: str
) -> tuple[Ledger, list[Sample]]:
    """Let all clients at the server for a while; what they began is ended in peace."""
    ledger, samples = Ledger(), list[Sample]()
    started_s = time.monotonic()
    async with connected(server.url, options.clients) as client, anyio.create_task_group() as watching:
        watching.start_soon(_watch, server, started_s, duration_s, samples)
        async with anyio.create_task_group() as busy:
            for number in range(options.clients):
                rng = random.Random(f"{seed}, client {number}")
                busy.start_soon(_visit, client, canaries, rng, started_s + duration_s, ledger)
        watching.cancel_scope.cancel()
    return ledger, samples


async def _visit(client: SoakClient, canaries: Canaries, rng: random.Random, until_s: float, ledger: Ledger) -> None:
    """Be one client until it is time, or too much has gone wrong."""
    while time.monotonic() < until_s and len(ledger.faults) < TOO_MANY_FAULTS:
        drawn = rng.random()
        if drawn < _RUBBISH_SHARE:
            outcome = await client.send_rubbish(rng)
        elif drawn < _RUBBISH_SHARE + _CANARY_SHARE:
            prompt, knobs = canaries.draw(rng), draw_knobs(rng)
            outcome = await client.perform(canaries.call(prompt, knobs))
            if outcome.status == 200:
                ledger.canaries.append((prompt, outcome.text, str(knobs.fields)))
        else:
            outcome = await client.perform(draw_call(rng))
        ledger.add(outcome)
        if outcome.status == 429:
            await anyio.sleep(rng.uniform(0.0, 2.0))


async def _watch(server: SoakedServer, started_s: float, duration_s: float, samples: list[Sample]) -> None:
    """Look at the server's process at a steady pace."""
    pace_s = min(1.0, duration_s / 100)
    while (sample := server.sample(time.monotonic() - started_s)) is not None:
        samples.append(sample)
        await anyio.sleep(pace_s)


async def _at_rest(server: SoakedServer, canaries: Canaries) -> Sample | None:
    """Wait until nothing runs or waits, and look at the process.

    How many threads stand by depends on what came last: on the threads of the last pass, and on how many long bodies
    were read at once. So two requests bring that to the same state every time.
    """
    deadline_s = time.monotonic() + IDLE_TIMEOUT_S
    # A server has no event for this.
    while _busy(server) and time.monotonic() < deadline_s:  # noqa: ASYNC110
        await anyio.sleep(0.2)
    await anyio.sleep(STANDBY_S)
    async with connected(server.url, 1) as client:
        await client.perform(too_long())
        await client.perform(canaries.call(canaries.draw(random.Random(0)), Knobs(draft_length=4, drafter="model")))
    # The server closes its ends of the connections a moment after the client.
    await anyio.sleep(1.0)
    return server.sample(0.0)


def _busy(server: SoakedServer) -> bool:
    running, waiting = checks.read_requests(server.metrics())
    return running > 0 or waiting > 0 or any(slot.running for slot in server.slots())


async def _ended(server: SoakedServer) -> list[Check]:
    """Tell the server to stop while it writes a reply."""
    if server.process is None:
        return [Check("SIGTERM", None, "the server's process is not ours to end")]
    outcomes: list[Outcome] = []

    async def read() -> None:
        outcomes.append(await client.perform(long_reply()))

    async with connected(server.url, 1) as client, anyio.create_task_group() as reading:
        reading.start_soon(read)
        await anyio.sleep(UNDER_WAY_S)
        code, took_s = await to_thread.run_sync(server.terminate)
    return [checks.check_exit(code, took_s, GRACE_S + ENDING_S), checks.check_last_reply(outcomes[0].fault)]


if __name__ == "__main__":
    main()
