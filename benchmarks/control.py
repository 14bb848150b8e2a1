"""Draft lengths under control: everything that docs/control.md shows, from recordings to the live run.

    .venv/bin/python benchmarks/control.py record      # texts and costs of twin and rough, 20 minutes
    .venv/bin/python benchmarks/control.py simulate    # every rule in every scenario, 30 seeds, minutes
    .venv/bin/python benchmarks/control.py validate    # the simulator against the server, a quarter of an hour a pair
    .venv/bin/python benchmarks/control.py live        # the rules on the server, quiet and under load, half an hour
    .venv/bin/python benchmarks/control.py overhead    # what a rule costs
    .venv/bin/python benchmarks/control.py all         # one after the other

Each prints Markdown that names the machine. Orders, texts and draws are seeded; what is measured differs from run to
run. `simulate` needs no server, only the recordings, and repeats exactly.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from control_parts import asking, overhead, policies, studying, validating
from control_parts.words import machine
from halospec.contention.protocol import ContentionError
from halospec.cores import available_cores
from halospec.endpoints.types import EndpointError
from halospec.recordings.files import read_recording
from halospec.recordings.visits import QUIET_MACHINE, ThreadSetting, burning
from halospec.records.store import StoreError
from halospec.server_process import ServerProcessError, bundled_server
from halospec.workloads.prompts import Prompt, shipped_prompts

OUT = Path("plots/control")
PAIRS = ("twin", "rough")
LIVE_PHASES = "steady:4,load:4,recovery:3"
LIVE_MODES = (
    *(f"fixed_{k}" for k in (0, 4, 8)),
    "fixed_8@threads=1@draft_threads=1",
    "adaptive",
    "auto:ema_accept",
    policies.COST_MODEL,
    policies.JOINT,
)
VALIDATED_RULES = ("adaptive", "auto:heuristic", "auto:ema_accept", "auto:confidence", policies.COST_MODEL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out a subcommand."""
    given = _parser().parse_args(arguments)
    steps = {"record": record, "simulate": simulate, "validate": validate, "live": live, "overhead": measure_overhead}
    try:
        for name in steps if given.command == "all" else (given.command,):
            if given.command == "all":
                print(f"## {name}\n", flush=True)
            print(steps[name](given), flush=True)
    except (StoreError, ServerProcessError, EndpointError, ContentionError, ValueError) as reason:
        sys.exit(f"control.py: {reason}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"control.py: `{' '.join(failed.cmd)}` ended with status {failed.returncode}.")
    except KeyboardInterrupt:
        sys.exit("control.py: interrupted.")


def record(given: argparse.Namespace) -> str:
    """Record every pair."""
    for pair in given.pairs:
        _halospec(
            "record-traces", str(given.recordings / pair), "--draft", pair, "--seed", str(given.seed),
            "--repetitions", str(given.repetitions), *(["--force"] if given.force else []),
        )  # fmt: skip
    return f"Recorded {', '.join(given.pairs)} ({machine()}).\n"


def simulate(given: argparse.Namespace) -> str:
    """Study every policy in every scenario."""
    plan = studying.quick_plan() if given.quick else studying.full_plan(given.seeds)
    return studying.run([given.recordings / pair for pair in given.pairs], given.out, plan, given.processes)


def validate(given: argparse.Namespace) -> str:
    """Compare predictions with the server."""
    parts = []
    for pair in given.pairs:
        recording = read_recording(given.recordings / pair)
        plan = _validation_plan(
            given, validating.usable_prompts(recording, shipped_prompts(), given.tokens, given.prompts)
        )
        setting = ThreadSetting(recording.threads, recording.draft_threads)
        measured = asking.ask_all(plan, ("--draft", pair), setting)
        found = validating.validated(recording, plan, measured, seeds=range(1, given.validation_seeds + 1))
        parts.append(f"**{pair}**: {validating.report(found, plan)}")
    return "\n".join(parts)


def live(given: argparse.Namespace) -> str:
    """Run the modes on the server in blocks, and print the summary."""
    directory = given.out / "live"
    pair = given.pairs[0]
    with bundled_server(["--draft", pair, "--log-level", "warning"], given.out / "live-server.log") as url:
        _halospec(
            "run", "--url", url, "--server", "bundled", "--modes", given.live_modes, "--phases", given.phases,
            "--blocks", str(given.blocks), "--load", "--load-workers", str(given.burners), "--ignore-eos",
            "--seed", str(given.seed), "--out", str(directory),
        )  # fmt: skip
    # As wide as the tables are.
    shown = subprocess.run(
        [sys.executable, "-m", "halospec", "summarize", str(directory)],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "160"},
    ).stdout  # fmt: skip
    return f"`{pair}`; {machine()}; {given.burners} burners in the load phase.\n\n```\n{shown.rstrip()}\n```\n"


def measure_overhead(given: argparse.Namespace) -> str:
    """Time every rule's own work."""
    steps, repetitions = (20, 2) if given.quick else (2000, 15)
    found = overhead.measure(policies.RULES, steps=steps, repetitions=repetitions, seed=given.seed)
    return overhead.report(found, steps)


def _validation_plan(given: argparse.Namespace, prompts: Sequence[Prompt]) -> asking.LivePlan:
    blocks = (QUIET_MACHINE, burning(given.burners)) * given.validation_blocks
    return asking.LivePlan(
        modes=(*(f"fixed_{k}" for k in range(9)), *VALIDATED_RULES),
        prompts=tuple(prompts),
        conditions=blocks,
        tokens=given.tokens,
        max_length=8,
        cost_texts=given.cost_texts,
        seed=given.seed,
    )


def _halospec(*arguments: str) -> None:
    """Run the program itself; what it shows goes to standard error, so that standard output is the report's."""
    subprocess.run([sys.executable, "-m", "halospec", *arguments], check=True, stdout=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("command", choices=("record", "simulate", "validate", "live", "overhead", "all"))
    options.add_argument("--out", type=Path, default=OUT, help="where results go")
    options.add_argument("--recordings", type=Path, default=OUT / "recordings", help="a directory for each pair")
    options.add_argument("--pairs", type=lambda text: tuple(text.split(",")), default=PAIRS, metavar="NAME,NAME")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--quick", action="store_true", help="simulate, overhead: see that it runs, in seconds")
    options.add_argument("--burners", type=int, default=available_cores(), help="validate, live: CPU burners")

    recording = options.add_argument_group("record")
    recording.add_argument("--repetitions", type=int, default=20, help="texts timed in each condition and setting")
    recording.add_argument("--force", action="store_true", help="replace what is there")

    simulation = options.add_argument_group("simulate")
    simulation.add_argument("--seeds", type=int, default=30)
    simulation.add_argument("--processes", type=int, help="all cores if left out")

    validation = options.add_argument_group("validate")
    validation.add_argument("--prompts", type=int, default=6)
    validation.add_argument("--tokens", type=int, default=64, help="of a text, its first included")
    validation.add_argument("--validation-blocks", type=int, default=2, help="quiet and loaded ones each")
    validation.add_argument("--cost-texts", type=int, default=3, help="a prompt and block")
    validation.add_argument("--validation-seeds", type=int, default=10)

    running = options.add_argument_group("live")
    running.add_argument("--phases", default=LIVE_PHASES)
    running.add_argument("--blocks", type=int, default=8)
    running.add_argument("--live-modes", default=",".join(LIVE_MODES))
    return options


if __name__ == "__main__":
    main()
