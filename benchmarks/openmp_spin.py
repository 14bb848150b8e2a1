"""How long should OpenMP threads spin at a barrier? Decoding quiet, and beside CPU burners, by what libgomp is told.

    .venv/bin/python benchmarks/openmp_spin.py [--repetitions 3]

Every setting decodes in a process of its own, the settings in turn within each repetition, greedy, on the embedded
pair. Beside the burners (one per core, full share) single requests differ widely, so their worst is shown too.
OMP_WAIT_POLICY is the portable way to say the same: to libgomp, passive means not to spin at all, active to spin on
and on. GOMP_SPINCOUNT overrules it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import threading
from collections import defaultdict

import anyio

SETTINGS = (
    "OMP_WAIT_POLICY=passive",
    "GOMP_SPINCOUNT=1000",
    "GOMP_SPINCOUNT=10000",
    "GOMP_SPINCOUNT=100000",
    "GOMP_SPINCOUNT=300000",
    "OMP_WAIT_POLICY=active",
)
"""The last but one is what libgomp does if told nothing."""
CONDITIONS = ("quiet", "load")
LENGTHS = (0, 4)
REQUESTS = 3
"""Of each column, in one process."""
LIMIT_S = 120.0
"""For one process: threads that never sleep can hold each other up beside other processes almost without end."""


def main() -> None:
    """Measure every setting and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        # As in the server, one thread alone decodes.
        thread = threading.Thread(target=_measure)
        thread.start()
        thread.join()
        return
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(given.repetitions):
        for setting in SETTINGS:
            for name, values in _run_child(setting).items():
                found[setting, name] += values
    _print_table(found)


def _run_child(setting: str) -> dict[str, list[float]]:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    name, _, value = setting.partition("=")
    environment[name] = value
    command = [sys.executable, __file__, "--child"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            printed, _ = child.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            printed, _ = child.communicate()
        else:
            if child.returncode != 0:
                sys.exit(f"openmp_spin.py: decoding with {setting} ended with status {child.returncode}.")
    # A line for each column that it got to.
    values = {_column(condition, k): [math.inf] * REQUESTS for condition in CONDITIONS for k in LENGTHS}
    for line in printed.splitlines():
        values |= json.loads(line)
    return values


def _measure() -> None:
    # libgomp reads its settings while it is loaded, and the server's package would add one of its own.
    import llama_cpp  # noqa: F401

    from embedded_pair import CORES, ms_per_token, open_engine
    from halospec.clock import start_clock
    from halospec.contention.loads import CpuLoad, Load
    from halospec.contention.together import injector_for

    async def measure() -> None:
        engine = open_engine()
        engine.warm_up()
        async with injector_for((Load(CpuLoad(workers=CORES)),), start_clock()) as injector:
            for condition in CONDITIONS:
                if condition == "load":
                    await injector.start()
                for k in LENGTHS:
                    times_ms = [ms_per_token(engine, k) for _ in range(REQUESTS)]
                    print(json.dumps({_column(condition, k): times_ms}), flush=True)
        engine.close()

    anyio.run(measure)


def _column(condition: str, k: int) -> str:
    return f"{condition}, k = {k}"


def _print_table(found: dict[tuple[str, str], list[float]]) -> None:
    columns = [_column(condition, k) for condition in CONDITIONS for k in LENGTHS]
    print(f"ms per token: median (worst); inf where a process was not done after {LIMIT_S:g} s")
    print(f"{'':>24}" + "".join(f"{column:>20}" for column in columns))
    for setting in SETTINGS:
        cells = [_median_and_worst(found[setting, column]) for column in columns]
        print(f"{setting:>24}" + "".join(f"{cell:>20}" for cell in cells))


def _median_and_worst(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({max(values):.1f})"


if __name__ == "__main__":
    main()
