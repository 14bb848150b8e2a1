"""How long should OpenMP threads spin at a barrier? Decoding quiet, and beside CPU burners, by GOMP_SPINCOUNT.

    .venv/bin/python benchmarks/openmp_spin.py [--repetitions 3]

Every setting decodes in a process of its own, the settings in turn within each repetition, greedy, on the embedded
pair. Beside the burners (one per core, full share) single requests differ widely, so their worst is shown too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
from collections import defaultdict

import anyio

SETTINGS = ("1000", "10000", "100000", "300000")
"""The last is libgomp's own default."""
LENGTHS = (0, 4)


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
    environment = os.environ | {"GOMP_SPINCOUNT": setting}
    command = [sys.executable, __file__, "--child"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    values: dict[str, list[float]] = json.loads(done.stdout)
    return values


def _measure() -> None:
    from embedded_pair import CORES, ms_per_token, open_engine
    from halospec.clock import start_clock
    from halospec.contention.cpu import CpuInjector, CpuLoadSettings

    async def measure() -> dict[str, list[float]]:
        engine = open_engine()
        engine.warm_up()
        values = {f"quiet, k = {k}": [ms_per_token(engine, k) for _ in range(3)] for k in LENGTHS}
        async with CpuInjector(CpuLoadSettings(workers=CORES), start_clock()) as injector:
            await injector.start()
            values |= {f"load, k = {k}": [ms_per_token(engine, k) for _ in range(3)] for k in LENGTHS}
        engine.close()
        return values

    print(json.dumps(anyio.run(measure)))


def _print_table(found: dict[tuple[str, str], list[float]]) -> None:
    names = sorted({name for _, name in found}, key=lambda name: (name.startswith("load"), name))
    print("ms per token: median (worst)")
    print(f"{'GOMP_SPINCOUNT':>14}" + "".join(f"{name:>20}" for name in names))
    for setting in SETTINGS:
        cells = [f"{statistics.median(found[setting, name]):.1f} ({max(found[setting, name]):.1f})" for name in names]
        print(f"{setting:>14}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
